// Scalar convolution kernels: the oracle of the microkernels, written for reading. Products are summed in
// double.
#pragma once

#include "kernels/kernel_types.h"

namespace zeroskip::reference {

// The contracts are those of SpconvPointFn, SpconvRowPairFn and DconvFn, with `blocks` made explicit and
// float32 weights.
void spconv_point(const SpconvPointArgs& args, int blocks);
void spconv_row_pair(const SpconvRowPairArgs& args, int blocks);
void dconv(const DconvArgs& args, int blocks);

}  // namespace zeroskip::reference
