// Checks of a plan that no single operator can make: indices, bounds, and who overwrites whose memory.
#pragma once

#include "runtime/program.h"

namespace zeroskip {

// Every tensor's shape, layout, stride, offset and mask; sizes are free of overflow and inside the arena.
void validate_tensors(const ProgramSpec& spec);

// Where the last tensor of a valid plan ends: what has to be allocated, however large the arena is said to
// be.
int64_t used_arena_bytes(const ProgramSpec& spec);

// Every tensor index of steps and graph, and that graph inputs and outputs are rows in the caller's memory.
void validate_graph(const ProgramSpec& spec);

// Every step reads only what an earlier step wrote and nobody has overwritten since.
void validate_dataflow(const ProgramSpec& spec);

}  // namespace zeroskip
