"""Long life: very many runs, many threads, many sessions."""
