"""How a model is brought into a machine's memory: the plan, what was measured, and the way down when it ran out."""
