// validate_dataflow: replays who wrote which bytes. Quadratic in the number of steps, but each comparison is
// a few integer operations: a plan of 500 steps takes well under a millisecond a step.
#include <algorithm>

#include "ops/ops.h"
#include "runtime/validate.h"

namespace zeroskip {
namespace {

// Bytes [begin, end) of the arena; if stride is not 0, only the first `width` bytes of every `stride`.
struct Region {
  int64_t begin, end, stride, width;

  bool contiguous() const { return stride == 0 || width == stride || end - begin == width; }
  int64_t column_of(const Region& other) const { return ((other.begin - begin) % stride + stride) % stride; }
  bool operator==(const Region&) const = default;
};

struct Interval {
  int64_t begin, end;
};

Region data_region(const TensorSpec& tensor) {
  const bool nhwc = tensor.layout == Layout::kNhwc;
  return {tensor.offset, tensor.offset + tensor.bytes(), nhwc ? tensor.pixel_bytes() : 0,
          nhwc ? tensor.padded_c() * tensor.element_bytes() : 0};
}

Region mask_region(const TensorSpec& tensor) {
  const auto size = static_cast<int64_t>(sizeof(uint16_t));
  return {tensor.mask_offset, tensor.mask_offset + tensor.mask_bytes(), tensor.mask_stride() * size,
          tensor.blocks() * size};
}

bool overlaps(const Region& a, const Region& b) {
  if (a.end <= b.begin || b.end <= a.begin) return false;
  if (a.stride == 0 || a.stride != b.stride) return true;
  const int64_t column = a.column_of(b);
  return column < a.width || column + b.width > a.stride;
}

bool covers(const Region& whole, const Region& part) {
  if (part.begin < whole.begin || part.end > whole.end) return false;
  if (whole.contiguous()) return true;
  return whole.stride == part.stride && whole.column_of(part) + part.width <= whole.width;
}

// The share of `whole` that `part` fills, as columns of every pixel or as plain bytes; empty if neither
// describes it.
Interval filled_share(const Region& whole, const Region& part) {
  if (part.begin < whole.begin || part.end > whole.end) return {0, 0};
  const bool same_pixels = whole.stride != 0 && whole.stride == part.stride &&
                           whole.end - whole.begin - whole.width == part.end - part.begin - part.width;
  if (same_pixels) return {part.begin - whole.begin, part.begin - whole.begin + part.width};
  if (whole.stride == 0 && part.contiguous()) return {part.begin - whole.begin, part.end - whole.begin};
  return {0, 0};
}

void subtract(std::vector<Interval>& intervals, const Interval& cut) {
  std::vector<Interval> rest;
  for (const Interval& interval : intervals) {
    if (interval.begin < cut.begin) rest.push_back({interval.begin, std::min(interval.end, cut.begin)});
    if (interval.end > cut.end) rest.push_back({std::max(interval.begin, cut.end), interval.end});
  }
  intervals = std::move(rest);
}

class Dataflow {
 public:
  explicit Dataflow(const ProgramSpec& spec) : spec_(spec), written_(spec.tensors.size(), false) {
    for (const int index : spec.inputs) written_[static_cast<size_t>(index)] = true;
  }

  void visit(size_t step_index) {
    const StepSpec& step = spec_.steps[step_index];
    const std::string where = "step " + std::to_string(step_index) + " '" + step.name + "' (" + step.op + ")";
    for (const int index : step.inputs) check_read(where, index);
    std::vector<Region> regions;
    for (const int index : step.outputs) check_write(where, step, index, regions);
    writes_.push_back(std::move(regions));
  }

  bool written(int index) const { return written_[static_cast<size_t>(index)]; }

 private:
  const TensorSpec& tensor(int index) const { return spec_.tensors[static_cast<size_t>(index)]; }

  void check_read(const std::string& where, int index) const {
    const TensorSpec& spec = tensor(index);
    if (spec.offset == kExternalOffset) {
      check(written(index), where, " reads '", spec.name, "' before any step has written it");
      return;
    }
    check_source(where, "'" + spec.name + "'", data_region(spec));
    if (spec.masked) check_source(where, "the mask of '" + spec.name + "'", mask_region(spec));
  }

  // A row that views pixels: described by the pixels of its last writer, so that slices can fill it by
  // columns.
  Region as_pixels(Region wanted) const {
    for (size_t earlier = writes_.size(); wanted.stride == 0 && earlier-- > 0;) {
      for (const Region& write : writes_[earlier]) {
        if (!overlaps(write, wanted)) continue;
        if (!write.contiguous() && (wanted.end - wanted.begin) % write.stride == 0)
          wanted.stride = wanted.width = write.stride;
        return wanted;
      }
    }
    return wanted;
  }

  // Walks back through the writes until all of `wanted` is accounted for.
  void check_source(const std::string& where, const std::string& what, Region wanted) const {
    wanted = as_pixels(wanted);
    std::vector<Interval> missing = {{0, wanted.stride != 0 ? wanted.width : wanted.end - wanted.begin}};
    for (size_t earlier = writes_.size(); earlier-- > 0;) {
      for (const Region& write : writes_[earlier]) {
        if (!overlaps(write, wanted)) continue;
        if (covers(write, wanted)) return;
        const Interval share = filled_share(wanted, write);
        check(share.end > share.begin, where, " reads ", what, ", but step ", earlier, " '",
              spec_.steps[earlier].name, "' has overwritten part of its memory");
        subtract(missing, share);
        if (missing.empty()) return;
      }
    }
    throw_error(where, " reads ", what, " before any step has written all of it");
  }

  void check_write(const std::string& where, const StepSpec& step, int index, std::vector<Region>& regions) {
    const TensorSpec& output = tensor(index);
    written_[static_cast<size_t>(index)] = true;
    if (output.offset == kExternalOffset) return check_external_alias(where, step, index);
    std::vector<Region> mine = {data_region(output)};
    if (output.masked) mine.push_back(mask_region(output));
    for (const Region& region : mine) {
      for (const Region& other : regions)
        check(!overlaps(region, other), where, ": output '", output.name,
              "' overlaps another output or mask");
      for (size_t input = 0; input < step.inputs.size(); ++input)
        check_alias(where, output, region, tensor(step.inputs[input]), op_runs_in_place(step.op, input));
      regions.push_back(region);
    }
  }

  // The caller's memory for one tensor is one array, and arrays of two tensors are apart.
  void check_external_alias(const std::string& where, const StepSpec& step, int index) const {
    for (size_t input = 0; input < step.inputs.size(); ++input)
      check(step.inputs[input] != index || op_runs_in_place(step.op, input), where, ": output '",
            tensor(index).name, "' is its input too, and it does not run in place");
    check(std::count(step.outputs.begin(), step.outputs.end(), index) == 1, where, ": output '",
          tensor(index).name, "' is listed twice");
  }

  // An output may touch an input's memory only where the operator runs in place, and then only exactly on it.
  void check_alias(const std::string& where, const TensorSpec& output, const Region& region,
                   const TensorSpec& input, bool may_coincide) const {
    if (input.offset == kExternalOffset) return;
    const auto is_apart = [&](const Region& read) {
      return (may_coincide && region == read) || !overlaps(region, read);
    };
    check(is_apart(data_region(input)), where, ": output '", output.name, "' overlaps input '", input.name,
          "'");
    check(!input.masked || is_apart(mask_region(input)), where, ": output '", output.name,
          "' overlaps the mask of input '", input.name, "'");
  }

  const ProgramSpec& spec_;
  std::vector<bool> written_;                // by tensor index; meaningful for the caller's memory
  std::vector<std::vector<Region>> writes_;  // by step
};

}  // namespace

void validate_dataflow(const ProgramSpec& spec) {
  Dataflow flow(spec);
  for (size_t step = 0; step < spec.steps.size(); ++step) flow.visit(step);
  for (const int index : spec.outputs)
    check(flow.written(index), "no step writes graph output '", spec.tensors[static_cast<size_t>(index)].name,
          "'");
}

}  // namespace zeroskip
