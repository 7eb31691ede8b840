"""How the models are made: recipes, pre-training, fine-tuning, distillation."""
