// Packed weights in one of the storage formats of kernels/common/weight_format.h.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>

#include "kernels/common/weight_format.h"
#include "ops/op.h"

namespace zeroskip {

class PackedWeights {
 public:
  // Takes over float32 weights or rounds them to `storage`. For bf16 their count is a multiple of 2 * lanes,
  // where `lanes` are the floats in a vector of the kernels that will read them.
  PackedWeights(AlignedFloats values, WeightStorage storage, int64_t lanes, int num_threads);

  // The address of weight `index`; for bf16 that of its group, of which `index` must be the first.
  const std::byte* at(int64_t index) const { return data_ + index * weight_bytes(storage_); }
  // Weight `index` of float32 storage.
  const float* floats(int64_t index) const { return floats_.data() + index; }
  size_t bytes() const { return count_ * static_cast<size_t>(weight_bytes(storage_)); }

 private:
  WeightStorage storage_;
  size_t count_;
  AlignedFloats floats_;  // float32 storage
  AlignedBytes halves_;   // 16-bit storage
  const std::byte* data_;
};
using SharedWeights = std::shared_ptr<const PackedWeights>;

const char* storage_name(WeightStorage storage);  // as the attribute weight_storage says it

// What the step asks for by its attribute weight_storage, "float32" (default), "bf16" or "fp16"; but float32
// where a weight is infinite, NaN or beyond the format's range. Throws Error on another word.
WeightStorage choose_weight_storage(const StepSpec& step, std::span<const float> weights);

// The block stored under `key`, packed as float32 by `pack` and brought to `storage` on first use.
SharedWeights shared_weights(const BuildContext& context, const std::string& key, WeightStorage storage,
                             const std::function<AlignedFloats()>& pack);

// The widest kernel, in blocks of 16 outputs, for `blocks` blocks where `most` stay in registers. bf16 has
// kernels of 1, 2, 4 and 8 only.
int64_t kernel_blocks(int64_t most, int64_t blocks, WeightStorage storage);

// `name`, or its variant for weights in `storage`: f32_x -> f32_bf16w_x.
std::string kernel_name(const std::string& name, WeightStorage storage);

}  // namespace zeroskip
