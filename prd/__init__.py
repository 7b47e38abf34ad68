"""The method: generator, renderers, progressive rendering distillation, trainer, inference and export."""
