// How weights lie in memory, and what kernels whose names carry `bf16w` or `fp16w` read.
//
// Kernels compute in float32 whatever the storage; 16-bit weights are expanded as they are loaded. A kernel's
// `weights` pointer and its strides are the same for every storage: strides count weights, not bytes.
//
// float32: rows of floats.
// fp16: rows of IEEE binary16, in order. Expanded by the CPU's conversion where it has one. That takes two
//   operations of the FMA ports per vector on AVX-512, so convolutions expand a panel once per tile (in their
//   kernels it was 0.7x of float32 on whole networks, Emerald Rapids, November 2026).
// bf16: the upper halves of floats, two vectors interleaved. With L floats in a vector, weights 2 L g + j and
//   2 L g + L + j (j < L) of a row form 32-bit lane j of group g: the former is its lower half, the latter
//   its upper half. The former is expanded by one shift; the latter is not expanded at all: the whole lane,
//   read as a float, is the weight, its mantissa ending in the other weight's bits. Packing chooses the upper
//   half so that this float is nearest to the weight, so the error bound (half a unit of bf16's last place)
//   is that of rounding. On CPUs with two FMA ports, which also do the shifts, half a shift per vector
//   instead of a whole conversion is what makes 16-bit weights pay. A kernel must therefore start at a whole
//   group.
#pragma once

#include "base/types.h"
