"""Fine-tuning for sparsity on CIFAR-10: trains, measures on the engine, and makes the tables of docs/finetuning.md."""
