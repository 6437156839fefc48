// The u8 input of dense algorithms that multiply bytes: read where it lies, but for gathered inputs, whose rows are copied
// with their padding, and where windows are copied.
#pragma once

#include "ops/conv/quantized_layer.h"

namespace zeroskip {

// Pointers to a task's pixels, in the thread's working memory: [tile pixel / kQconvPixels][tap][kQconvPixels].
const uint8_t* const* point_at_bytes(const QuantizedLayer& layer, const Tensor& x, const ConvTask& task,
                                     const QuantizedThreadScratch& scratch);

}  // namespace zeroskip
