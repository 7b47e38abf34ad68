"""From fields to pictures: the volume renderer, the mesh renderer and the maps that both produce."""
