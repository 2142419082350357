"""Bad input on purpose: mutated files of real data, landed and refined, and judged by readers that are not ours."""
