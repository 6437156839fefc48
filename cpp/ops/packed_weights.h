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
  PackedWeights(AlignedFloats values, DataType storage, int64_t lanes, int num_threads);

  // The address of weight `index`; for bf16 that of its group, of which `index` must be the first.
  const std::byte* at(int64_t index) const { return data_ + index * traits(storage_).bytes; }
  // Weight `index` of float32 storage.
  const float* floats(int64_t index) const { return floats_.data() + index; }
  size_t bytes() const { return count_ * static_cast<size_t>(traits(storage_).bytes); }

 private:
  DataType storage_;
  size_t count_;
  AlignedFloats floats_;  // float32 storage
  AlignedBytes halves_;   // 16-bit storage
  const std::byte* data_;
};
using SharedWeights = std::shared_ptr<const PackedWeights>;

// What the step asks for by its attribute weight_storage, "float32" (default), "bf16" or "fp16"; but float32
// where a weight is infinite, NaN or beyond the format's range. Throws Error on another word.
DataType choose_weight_storage(const StepSpec& step, std::span<const float> weights);

// The block stored under `key`, packed as float32 by `pack` and brought to `storage` on first use.
SharedWeights shared_weights(const BuildContext& context, const std::string& key, DataType storage,
                             const std::function<AlignedFloats()>& pack);

}  // namespace zeroskip
