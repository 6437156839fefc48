// The activation that a step applies before it stores: attributes "activation" and "max_value", constant
// "thresholds".
#pragma once

#include "ops/op.h"

namespace zeroskip {

struct Epilogue {
  AlignedFloats thresholds;  // [channels rounded up to 16], padding zero; empty: no activation
  float max_value;           // upper clip after the threshold; +inf: none

  const float* thresholds_or_null() const { return thresholds.size() ? thresholds.data() : nullptr; }
};

// Reads and checks the epilogue of a step whose output has `channels` channels. Throws Error.
Epilogue parse_epilogue(const StepSpec& step, int64_t channels);

// Thresholds and max_value of an epilogue that is known to be FATReLU.
Epilogue parse_fatrelu(const StepSpec& step, int64_t channels);

// A per-channel constant of shape [channels], zero-padded to a multiple of 16.
AlignedFloats pad_channels(const ConstantView& constant);

}  // namespace zeroskip
