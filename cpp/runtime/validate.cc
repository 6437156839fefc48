#include "runtime/validate.h"

#include <algorithm>
#include <set>

namespace zeroskip {
namespace {

// Far beyond any real tensor, far below what could overflow once multiplied by an element size.
constexpr int64_t kMaxElements = int64_t{1} << 40;

// The product of extents that are all known to be positive.
int64_t checked_elements(const TensorSpec& tensor, const std::vector<int64_t>& extents) {
  int64_t count = 1;
  for (const int64_t extent : extents) {
    check(extent <= kMaxElements / count, "tensor '", tensor.name, "': shape ", shape_text(tensor.shape),
          " is too large");
    count *= extent;
  }
  return count;
}

void check_placement(const TensorSpec& tensor, const char* what, int64_t offset, int64_t bytes,
                     int64_t alignment, int64_t arena_bytes) {
  check(offset >= 0 && offset % alignment == 0, "tensor '", tensor.name, "': ", what, " ", offset,
        " is not a non-negative multiple of ", alignment);
  check(offset <= arena_bytes && bytes <= arena_bytes - offset, "tensor '", tensor.name, "': ", what, " ",
        offset, " plus ", bytes, " bytes is outside the arena of ", arena_bytes, " bytes");
}

void validate_row(const TensorSpec& tensor) {
  check(!tensor.masked, "tensor '", tensor.name, "': only nhwc tensors have masks");
  checked_elements(tensor, tensor.shape);
}

void validate_nhwc(const TensorSpec& tensor) {
  const std::string& name = tensor.name;
  check(tensor.shape.size() == 4, "tensor '", name, "': nhwc needs shape (N, C, H, W), got ",
        shape_text(tensor.shape));
  check(tensor.offset != kExternalOffset, "tensor '", name,
        "': an nhwc tensor cannot be the caller's memory");
  check(tensor.c() <= kMaxElements, "tensor '", name, "': shape ", shape_text(tensor.shape), " is too large");
  check(tensor.pixel_stride >= tensor.padded_c() && tensor.pixel_stride % tensor.channel_block() == 0,
        "tensor '", name, "': pixel_stride ", tensor.pixel_stride, " is not a multiple of ",
        tensor.channel_block(), " that holds ", tensor.c(), " channels");
  checked_elements(tensor, {tensor.n(), tensor.h(), tensor.w(), tensor.pixel_stride});
}

void check_indices(const ProgramSpec& spec, const std::vector<int>& indices, const std::string& where) {
  for (const int index : indices)
    check(index >= 0 && static_cast<size_t>(index) < spec.tensors.size(), where, ": tensor index ", index,
          " is outside [0, ", spec.tensors.size(), ")");
}

void check_caller_memory(const ProgramSpec& spec, const std::vector<int>& indices, const char* kind,
                         std::set<int>& known) {
  for (const int index : indices) {
    const TensorSpec& tensor = spec.tensors[static_cast<size_t>(index)];
    check(tensor.offset == kExternalOffset, kind, " '", tensor.name, "' must have offset ", kExternalOffset,
          " (the caller's memory), has ", tensor.offset);
    check(known.insert(index).second, kind, " '", tensor.name,
          "' is listed twice among the inputs and outputs");
  }
}

}  // namespace

void validate_tensors(const ProgramSpec& spec) {
  check(spec.arena_bytes >= 0, "arena_bytes is ", spec.arena_bytes, ", needs at least 0");
  for (const TensorSpec& tensor : spec.tensors) {
    for (const int64_t extent : tensor.shape)
      check(extent >= 1, "tensor '", tensor.name, "': shape ", shape_text(tensor.shape),
            " has an extent below 1");
    if (tensor.layout == Layout::kRow) validate_row(tensor);
    if (tensor.layout == Layout::kNhwc) validate_nhwc(tensor);
    if (tensor.offset != kExternalOffset)
      check_placement(tensor, "offset", tensor.offset, tensor.bytes(), kAlignment, spec.arena_bytes);
    if (tensor.masked)
      check_placement(tensor, "mask_offset", tensor.mask_offset, tensor.mask_bytes(), sizeof(uint16_t),
                      spec.arena_bytes);
  }
}

int64_t used_arena_bytes(const ProgramSpec& spec) {
  int64_t end = 0;
  for (const TensorSpec& tensor : spec.tensors) {
    if (tensor.offset != kExternalOffset) end = std::max(end, tensor.offset + tensor.bytes());
    if (tensor.masked) end = std::max(end, tensor.mask_offset + tensor.mask_bytes());
  }
  return end;
}

void validate_graph(const ProgramSpec& spec) {
  check_indices(spec, spec.inputs, "graph inputs");
  check_indices(spec, spec.outputs, "graph outputs");
  std::set<int> external;
  check_caller_memory(spec, spec.inputs, "graph input", external);
  const std::set<int> graph_inputs = external;
  check_caller_memory(spec, spec.outputs, "graph output", external);

  for (const StepSpec& step : spec.steps) {
    const std::string where = "step '" + step.name + "'";
    check_indices(spec, step.inputs, where);
    check_indices(spec, step.outputs, where);
    check(!step.outputs.empty(), where, " has no output");
    for (const int index : step.outputs)
      check(!graph_inputs.contains(index), where, " writes to graph input '",
            spec.tensors[static_cast<size_t>(index)].name, "'");
  }
  for (size_t i = 0; i < spec.tensors.size(); ++i)
    check(spec.tensors[i].offset != kExternalOffset || external.contains(static_cast<int>(i)), "tensor '",
          spec.tensors[i].name, "' has no place in the arena and is neither graph input nor graph output");
}

}  // namespace zeroskip
