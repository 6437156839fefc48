// Scalar Winograd kernels: the oracle of the microkernels. Matrix products are written as the definition has
// them, without using how rows of the transforms pair up, and summed in double.
#pragma once

#include "kernels/kernel_types.h"

namespace zeroskip::reference {

// The contracts are those of WinogradInputFn, WinogradGemmFn, WinogradOutputFn and WinogradWeightFn.
void winograd4_input(const WinogradInputArgs& args);
void winograd_gemm(const WinogradGemmArgs& args);
void winograd4_output(const WinogradOutputArgs& args);
void winograd4_weights(const WinogradWeightArgs& args);

}  // namespace zeroskip::reference
