"""That a check holds: right answers pass, and mistakes, mutants and cheats do not."""
