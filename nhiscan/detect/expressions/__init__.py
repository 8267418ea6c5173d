"""Python patterns turned into what vectorscan looks for, and into what can be looked for without it."""
