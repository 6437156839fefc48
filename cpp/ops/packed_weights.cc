#include "ops/packed_weights.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace zeroskip {
namespace {

constexpr float kLargestBf16 = 0x1.fep127f;
constexpr float kLargestFp16 = 65504.0f;
constexpr int64_t kChunk = 1 << 16;  // weights converted by one task; a multiple of every group

// Round to nearest, ties to even.
uint32_t to_bf16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  return (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}

// The lane whose lower half is `low` and which, read as a float, is nearest to `value`.
uint32_t nearest_lane(float value, uint32_t low) {
  const uint32_t upper = std::bit_cast<uint32_t>(value) & 0xffff0000u;
  uint32_t best = upper | low;
  for (const uint32_t other : {upper - 0x10000, upper + 0x10000}) {
    const uint32_t lane = other | low;
    const bool same_sign = (lane ^ upper) >> 31 == 0;  // no step from the smallest to the largest number
    const auto error = [&](uint32_t bits) { return std::fabs(std::bit_cast<float>(bits) - value); };
    if (same_sign && error(lane) < error(best)) best = lane;
  }
  return best;
}

// IEEE binary16, round to nearest, ties to even; |value| <= kLargestFp16.
uint16_t to_fp16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value), sign = bits >> 16 & 0x8000;
  uint32_t magnitude = bits & 0x7fffffff;
  if (magnitude < 113u << 23) {  // below 2^-14: adding 1/2 moves a subnormal's bits to the end, rounded
    const float moved = std::bit_cast<float>(magnitude) + 0.5f;
    magnitude = std::bit_cast<uint32_t>(moved) - std::bit_cast<uint32_t>(0.5f);
  } else {
    magnitude = (magnitude - (112u << 23) + 0xfff + (magnitude >> 13 & 1)) >> 13;
  }
  return static_cast<uint16_t>(sign | magnitude);
}

void store_bf16(const float* from, int64_t first, int64_t last, int64_t lanes, std::byte* to) {
  auto* out = reinterpret_cast<uint32_t*>(to);
  for (int64_t group = first; group < last; group += 2 * lanes)
    for (int64_t j = 0; j < lanes; ++j)
      out[group / 2 + j] = nearest_lane(from[group + lanes + j], to_bf16(from[group + j]));
}

void store_fp16(const float* from, int64_t first, int64_t last, std::byte* to) {
  std::transform(from + first, from + last, reinterpret_cast<uint16_t*>(to) + first, to_fp16);
}

}  // namespace

PackedWeights::PackedWeights(AlignedFloats values, DataType storage, int64_t lanes, int num_threads)
    : storage_(storage), count_(values.size()) {
  if (storage == DataType::kFloat32) {
    floats_ = std::move(values);
    data_ = reinterpret_cast<const std::byte*>(floats_.data());
    return;
  }
  halves_ = allocate_aligned(bytes());
  data_ = halves_.get();
  const auto count = static_cast<int64_t>(count_);
  parallel_for(num_threads, ceil_div(count, kChunk), [&](int64_t chunk, int) {
    const int64_t first = chunk * kChunk, last = std::min(count, first + kChunk);
    if (storage == DataType::kBf16)
      store_bf16(values.data(), first, last, lanes, halves_.get());
    else
      store_fp16(values.data(), first, last, halves_.get());
  });
}

DataType choose_weight_storage(const StepSpec& step, std::span<const float> weights) {
  const std::string wanted = step.get_string("weight_storage", "float32");
  const std::optional<DataType> found = find_data_type(wanted);
  const bool is_known = found == DataType::kFloat32 || found == DataType::kBf16 || found == DataType::kFp16;
  check(is_known, "weight_storage must be float32, bf16 or fp16, got '", wanted, "'");
  const DataType storage = *found;
  if (storage == DataType::kFloat32) return storage;
  const float largest = storage == DataType::kBf16 ? kLargestBf16 : kLargestFp16;
  const auto fits = [&](float weight) { return std::fabs(weight) <= largest; };
  return std::all_of(weights.begin(), weights.end(), fits) ? storage : DataType::kFloat32;
}

SharedWeights shared_weights(const BuildContext& context, const std::string& key, DataType storage,
                             const std::function<AlignedFloats()>& pack) {
  const int64_t lanes = context.kernels.lanes;
  const std::string form = "/" + std::string(traits(storage).name) + "x" + std::to_string(lanes);
  return context.weights.get(key + form,
                             [&] { return PackedWeights(pack(), storage, lanes, context.num_threads); });
}

}  // namespace zeroskip
