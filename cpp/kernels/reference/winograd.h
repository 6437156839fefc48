// Scalar Winograd kernels: the oracle of the microkernels. Matrix products are written as the definition has
// them, without using how rows of the transforms pair up, and summed in double.
#pragma once

#include "kernels/kernel_types.h"

namespace zeroskip::reference {

// The contracts are those of WinogradInputFn, WinogradGemmFn, WinogradOutputFn and WinogradWeightFn.
void winograd_input(const WinogradInputArgs& args);
void winograd_gemm(const WinogradGemmArgs& args);
template <int kOutputs>
void winograd_output(const WinogradOutputArgs& args);
template <int kTaps>
void winograd_weights(const WinogradWeightArgs& args);

}  // namespace zeroskip::reference
