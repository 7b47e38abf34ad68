"""Frozen diffusion teachers: score distillation as a stateless, seeded call, served in this process or by Ray actors."""
