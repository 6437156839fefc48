"""What scoring a large set of pictures costs on one node: each stage on one processor, and all with several workers."""
