"""Frozen diffusion teachers: score distillation as a stateless, seeded call, in this process or in Ray actors."""
