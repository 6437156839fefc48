// The factories of all operators, one source file per family. registry.cc maps the planner's names to them.
#pragma once

#include <memory>
#include <string>

#include "ops/op.h"

namespace zeroskip {

#define ZS_OP(name, in_place_from, takes, gives) \
  std::unique_ptr<Op> make_##name(const StepSpec& step, const BuildContext& context);
#include "ops/list.inc"
#undef ZS_OP

// Whether the operator works on inputs of the type.
bool op_takes(const std::string& name, DataType type);

// The type of the operator's outputs, given that of its inputs; `wanted` where it has a choice.
DataType op_gives(const std::string& name, DataType taken, DataType wanted);

// Whether the operator allows its output to lie exactly on its input number `input`.
bool op_runs_in_place(const std::string& name, size_t input);

}  // namespace zeroskip
