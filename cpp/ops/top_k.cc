// top_k: the k largest or smallest values along an axis, in order, and where they are, as numbers in float32. Of equal
// values the first comes first, and NaN is larger than any number. Indices are exact up to 2^24, and a longer axis is
// refused. Row tensors.
#include <algorithm>
#include <bit>
#include <cstring>
#include <functional>

#include "ops/ops.h"
#include "ops/shapes.h"
#include "ops/split.h"

namespace zeroskip {
namespace {

constexpr int64_t kMaxExtent = int64_t{1} << 24;
constexpr int64_t kSpare =
    64;  // candidates beyond k, at least, that are collected before the best k are kept
constexpr int64_t kBlock = 16;  // values that are passed over at once

// What is wanted first is larger: the value's rank in the upper half, how early it comes in the lower.
using Candidate = uint64_t;

template <bool kIsLargest>
uint32_t rank_of(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  constexpr uint32_t kSign = uint32_t{1} << 31, kInfinity = 0x7f800000u;
  uint32_t rank = (bits & kSign) ? ~bits : bits | kSign;
  if ((bits & ~kSign) > kInfinity) rank = ~uint32_t{0};  // NaN
  if ((bits & ~kSign) == 0) rank = kSign;                // -0 is 0
  return kIsLargest ? rank : ~rank;
}

template <bool kIsLargest>
Candidate candidate_of(float value, int64_t index) {
  return (Candidate{rank_of<kIsLargest>(value)} << 32) | ~static_cast<uint32_t>(index);
}

int64_t index_of(Candidate candidate) { return static_cast<int64_t>(~static_cast<uint32_t>(candidate)); }

// Whether none of a block's values can be among the best, of which `bar` is the last; NaN passes.
template <bool kIsLargest>
bool none_passes(const float* x, float bar) {
  int passes = 0;
  for (int64_t i = 0; i < kBlock; ++i) passes |= kIsLargest ? !(x[i] <= bar) : !(x[i] >= bar);
  return passes == 0;
}

// Puts the best k of count values to the front of `found`, in order. `found` has room for `room` > k, or for all.
template <bool kIsLargest>
void select(const float* x, int64_t count, int64_t k, Candidate* found, int64_t room) {
  int64_t size = 0;
  uint32_t bar_rank = 0;
  float bar = 0;
  bool has_bar = false;
  for (int64_t i = 0; i < count;) {
    if (has_bar && count - i >= kBlock && none_passes<kIsLargest>(x + i, bar)) {
      i += kBlock;
      continue;
    }
    for (const int64_t end = std::min(count, i + kBlock); i < end; ++i) {
      if (has_bar && rank_of<kIsLargest>(x[i]) <= bar_rank) continue;
      found[size++] = candidate_of<kIsLargest>(x[i], i);
      if (size < room || room == count) continue;
      std::nth_element(found, found + k - 1, found + size, std::greater<>());
      size = k, has_bar = true;
      bar_rank = static_cast<uint32_t>(found[k - 1] >> 32);
      bar = x[index_of(found[k - 1])];
    }
  }
  if (size > k) std::nth_element(found, found + k - 1, found + size, std::greater<>());
  std::sort(found, found + k, std::greater<>());
}

class TopK final : public Op {
 public:
  TopK(const StepSpec& step, const BuildContext& context) : num_threads_(context.num_threads) {
    const TensorSpec& x = context.input(step, 0);
    require_layout(x, Layout::kRow);
    const size_t axis = resolve_axis(step.get_int("axis", -1), x.shape.size());
    outer_ = extent_product(x.shape, 0, axis), count_ = x.shape[axis];
    inner_ = extent_product(x.shape, axis + 1, x.shape.size());
    check(count_ >= 1 && count_ <= kMaxExtent, "the axis has ", count_, " values, needs 1 to ", kMaxExtent);
    k_ = step.get_int("k");
    check(k_ >= 1 && k_ <= count_, "k is ", k_, ", needs 1 to ", count_, ", the values of its axis");
    is_largest_ = step.get_int("largest", 1) != 0;
    room_ = k_ + std::max(k_, kSpare) < count_ ? k_ + std::max(k_, kSpare) : count_;
    std::vector<int64_t> shape = x.shape;
    shape[axis] = k_;
    for (size_t i = 0; i < 2; ++i) {
      require_layout(context.output(step, i), Layout::kRow);
      require_shape(context.output(step, i), shape);
    }
  }

  void run(const RunContext& context) const override {
    const auto* x = context.inputs[0].as<float>();
    auto *values = context.outputs[0].as<float>(), *indices = context.outputs[1].as<float>();
    const Split split = split_items(outer_ * inner_, count_, num_threads_);
    parallel_for(context.num_threads, split.tasks(), [&](int64_t task, int thread) {
      std::byte* scratch = context.scratch.data() + static_cast<size_t>(thread) * bytes_of_a_thread();
      auto* found = reinterpret_cast<Candidate*>(scratch);
      auto* column = reinterpret_cast<float*>(scratch + static_cast<size_t>(room_) * sizeof(Candidate));
      for (int64_t item = split.begin(task); item < split.begin(task) + split.count(task); ++item) {
        const int64_t outer = item / inner_, inner = item % inner_;
        const float* from = x + outer * count_ * inner_ + inner;
        if (inner_ > 1) {
          for (int64_t i = 0; i < count_; ++i) column[i] = from[i * inner_];
          from = column;
        }
        (is_largest_ ? select<true> : select<false>)(from, count_, k_, found, room_);
        for (int64_t i = 0; i < k_; ++i) {
          const int64_t to = (outer * k_ + i) * inner_ + inner, index = index_of(found[i]);
          values[to] = from[index];
          indices[to] = static_cast<float>(index);
        }
      }
    });
  }
  size_t scratch_bytes() const override { return static_cast<size_t>(num_threads_) * bytes_of_a_thread(); }
  std::string kernel_name() const override { return "top_k"; }

 private:
  size_t bytes_of_a_thread() const {
    const auto column = static_cast<size_t>(inner_ > 1 ? count_ : 0) * sizeof(float);
    return (static_cast<size_t>(room_) * sizeof(Candidate) + column + 63) / 64 * 64;
  }

  int num_threads_;
  bool is_largest_ = true;
  int64_t outer_ = 1, count_ = 1, inner_ = 1, k_ = 1, room_ = 1;
};

}  // namespace

std::unique_ptr<Op> make_top_k(const StepSpec& step, const BuildContext& context) {
  require_counts(step, 1, 2);
  return std::make_unique<TopK>(step, context);
}

}  // namespace zeroskip
