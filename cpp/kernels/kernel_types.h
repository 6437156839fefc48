// The kernel table: one typed function pointer per microkernel, filled once per instruction set.
//
// Each family declares its function types and their contract in kernels/<family>/<family>.h and lists its
// kernels, one line each, in kernels/list/<family>.inc. That line is the single source for the table's
// member, for its initialiser in every ISA build, for the names that tests and benchmarks iterate over, and
// for the columns by which kernels/lookup.h finds a kernel:
//   ZS_KERNEL(kind, input, weight, accumulator, output, rows, columns, isa, function type, name)
// kind is what it computes; kernels of one kind have one function type. The four types are element types of
// base/types.inc or `none`. rows x columns is the tile, output pixels x output channels; 0 is any number. isa
// is the instruction set that has it, of isa.inc, or `all`; in the tables of others, but those that descend from it, its
// member is null.
//
// Common contract, unless a type says otherwise: pointers are 64-byte aligned where they start a buffer;
// strides are in elements; channel counts are padded to 16 and padding channels are computed like any other;
// inputs may be read, never written, up to 256 bytes past their end; no aliasing except where stated; kernels
// are pure functions of their arguments and therefore thread-safe; NaN propagates except through FATReLU,
// which maps it to 0.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/bconv/bconv.h"
#include "kernels/broadcast/broadcast.h"
#include "kernels/dconv/dconv.h"
#include "kernels/dwconv/dwconv.h"
#include "kernels/eltwise/eltwise.h"
#include "kernels/eltwise/quantize.h"
#include "kernels/gemm/gemm.h"
#include "kernels/pool/pool.h"
#include "kernels/probe/probe.h"
#include "kernels/qconv/pointwise.h"
#include "kernels/qconv/qconv.h"
#include "kernels/recurrent/recurrent.h"
#include "kernels/reduce/reduce.h"
#include "kernels/spconv/spconv.h"
#include "kernels/winograd/winograd.h"

namespace zeroskip {

enum class Isa {
#define ZS_ISA_ROW(enumerator, ...) enumerator,
#include "kernels/list/isa.inc"
#undef ZS_ISA_ROW
};

// The widest convolution microkernels whose accumulators stay in registers, in blocks of 16 output channels.
struct ConvTiling {
  int64_t point_blocks = 1;     // of spconv
  int64_t row_pair_blocks = 1;  // of spconv3row
  int64_t dense_blocks = 1;     // of dconv
};

struct KernelTable {
  Isa isa;
  int64_t lanes;  // floats in a vector
  bool
      multiplies_quads;  // of u8 by s8, by an instruction that no value saturates; elsewhere pairs are faster
  bool multiplies_bf16;  // by an instruction; elsewhere kernels of bf16 are right, and slow
  ConvTiling conv_tiling;
#define ZS_KERNEL(kind, input, weight, accumulator, output, rows, columns, isa, type, name) \
  type name = nullptr;
#include "kernels/list/all.inc"
#undef ZS_KERNEL

  int64_t vectors_per_block() const { return 16 / lanes; }
};

}  // namespace zeroskip
