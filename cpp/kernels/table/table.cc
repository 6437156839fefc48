// The kernel table of one instruction set (this file is compiled once per ISA).
#include <type_traits>

#include "kernels/common/simd.h"
#include "kernels/kernel_types.h"

namespace zeroskip::ZS_ISA {

#define ZS_KERNEL(type, name) extern std::remove_pointer_t<type> name;
#include "kernels/list/all.inc"
#undef ZS_KERNEL

#if defined(ZS_ISA_avx512)
constexpr ConvTiling kConvTiling = {
    .point_blocks = 8, .row_pair_blocks = 4, .dense_blocks = 4, .vectors_per_block = kVectorsPerBlock};
#elif defined(ZS_ISA_avx2)
constexpr ConvTiling kConvTiling = {
    .point_blocks = 2, .row_pair_blocks = 1, .dense_blocks = 1, .vectors_per_block = kVectorsPerBlock};
#elif defined(__aarch64__)
constexpr ConvTiling kConvTiling = {
    .point_blocks = 2, .row_pair_blocks = 1, .dense_blocks = 1, .vectors_per_block = kVectorsPerBlock};
#else
constexpr ConvTiling kConvTiling = {
    .point_blocks = 1, .row_pair_blocks = 1, .dense_blocks = 1, .vectors_per_block = kVectorsPerBlock};
#endif

extern const KernelTable kTable;
const KernelTable kTable = {
    .conv_tiling = kConvTiling,
#define ZS_KERNEL(type, name) .name = name,
#include "kernels/list/all.inc"
#undef ZS_KERNEL
};

}  // namespace zeroskip::ZS_ISA
