#include "runtime/stepwise.h"

#include <cstring>

#include "base/fp_mode.h"

namespace zeroskip {

StepwiseRun::StepwiseRun(const Program& program, std::span<const ConstArray> inputs,
                         std::span<std::byte* const> outputs)
    : program_(program), lease_(program.pool_->take()), densities_(program.ops_.size()) {
  program.check_inputs(inputs);
  program.bind(*lease_, inputs, outputs);
}

void StepwiseRun::run(size_t first, size_t last, bool counts) {
  check(first <= last && last <= densities_.size(), "steps ", first, " to ", last, " of ", densities_.size());
  const FlushDenormals flush;
  const ThreadPool::Run run(program_.spec_.num_threads);
  for (size_t i = first; i < last; ++i) {
    const RunContext context = program_.step_context(*lease_, i);
    if (counts) densities_[i] = program_.input_density(i, context);
    program_.ops_[i]->run(context);
  }
}

void StepwiseRun::check_ranges(std::span<const ByteRange> ranges) const {
  const auto bytes = static_cast<int64_t>(program_.arena_bytes());
  for (const auto& [offset, size] : ranges)
    check(offset >= 0 && size >= 0 && offset <= bytes && size <= bytes - offset, "range [", offset, ", +",
          size, ") leaves the arena of ", bytes, " bytes");
}

void StepwiseRun::save(std::span<const ByteRange> ranges, std::byte* to) const {
  check_ranges(ranges);
  for (const auto& [offset, size] : ranges) {
    std::memcpy(to, (*lease_).arena() + offset, static_cast<size_t>(size));
    to += size;
  }
}

void StepwiseRun::load(std::span<const ByteRange> ranges, const std::byte* from) {
  check_ranges(ranges);
  for (const auto& [offset, size] : ranges) {
    std::memcpy((*lease_).arena() + offset, from, static_cast<size_t>(size));
    from += size;
  }
}

}  // namespace zeroskip
