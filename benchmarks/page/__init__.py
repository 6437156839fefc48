"""The parts of the performance page: each module turns results into Markdown, none measures."""
