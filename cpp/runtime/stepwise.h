// One run of a Program in pieces, its memory open to be saved and put back: what calibration needs to ask
// "what if this step were different?" many times without computing again what lies before the step.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "runtime/program.h"

namespace zeroskip {

// Bytes of the arena: [offset, offset + size).
struct ByteRange {
  int64_t offset;
  int64_t size;
};

// Holds a workspace of the program as long as it lives. Not to be used from two threads at once; the program
// may run elsewhere meanwhile.
class StepwiseRun {
 public:
  // The program, the inputs' memory and that of `outputs` (as for Program::run) must outlive this object.
  // Throws Error when an input does not fit.
  StepwiseRun(const Program& program, std::span<const ConstArray> inputs,
              std::span<std::byte* const> outputs);

  // Runs steps [first, last). It is the caller's business that what they read has been computed or put back.
  // With `counts` densities of first inputs are kept, where they have a mask or their operator counts them.
  void run(size_t first, size_t last, bool counts);

  // By step: the density of its first input, from 0 to 1, where the last run over the step counted it.
  const std::vector<std::optional<double>>& densities() const { return densities_; }

  // Copies ranges of the arena, one after the other, to `to` or from `from`. Throws Error when they leave it.
  void save(std::span<const ByteRange> ranges, std::byte* to) const;
  void load(std::span<const ByteRange> ranges, const std::byte* from);

 private:
  void check_ranges(std::span<const ByteRange> ranges) const;

  const Program& program_;
  WorkspacePool::Lease lease_;
  std::vector<std::optional<double>> densities_;
};

}  // namespace zeroskip
