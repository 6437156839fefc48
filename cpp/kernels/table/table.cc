// The kernel table of one instruction set (this file is compiled once per ISA).
#include <type_traits>

#include "kernels/common/simd.h"
#include "kernels/kernel_types.h"

namespace zeroskip::ZS_ISA {

#define ZS_KERNEL(kind, input, weight, accumulator, output, rows, columns, isa, type, name) \
  extern std::remove_pointer_t<type> name;
#include "kernels/list/all.inc"
#undef ZS_KERNEL

namespace {

// Names of instruction sets as the rows say them; `all` is none of them.
enum class Name {
  all,
#define ZS_ISA_ROW(enumerator, name, architecture, lanes, registers, tiles, needs) name,
#include "kernels/list/isa.inc"
#undef ZS_ISA_ROW
};

// What `get` returns, a kernel, where this instruction set has it. Elsewhere the kernel is not referred to.
template <Name isa, typename Get>
constexpr auto if_present(const Get& get) -> decltype(get()) {
  if constexpr (isa == Name::all || isa == Name::ZS_ISA)
    return get();
  else
    return nullptr;
}

constexpr Isa kIsas[] = {
#define ZS_ISA_ROW(enumerator, name, architecture, lanes, registers, tiles, needs) Isa::enumerator,
#include "kernels/list/isa.inc"
#undef ZS_ISA_ROW
};
constexpr ConvTiling kTilings[] = {
#define ZS_TILES(point, row_pair, dense) {point, row_pair, dense}
#define ZS_ISA_ROW(enumerator, name, architecture, lanes, registers, tiles, needs) tiles,
#include "kernels/list/isa.inc"
#undef ZS_ISA_ROW
#undef ZS_TILES
};
constexpr bool kMultipliesBf16[] = {
#define ZS_NEEDS(feature)
#define ZS_NEEDS_BIT(feature, leaf, bit)
#define ZS_NEEDS_BF16(feature) || true
#define ZS_ISA_ROW(enumerator, name, architecture, lanes, registers, tiles, needs) false needs,
#include "kernels/list/isa.inc"
#undef ZS_ISA_ROW
#undef ZS_NEEDS_BF16
#undef ZS_NEEDS_BIT
#undef ZS_NEEDS
};
constexpr size_t kOwn = static_cast<size_t>(Name::ZS_ISA) - 1;

}  // namespace

extern const KernelTable kTable;
const KernelTable kTable = {
    .isa = kIsas[kOwn],
    .lanes = kLanes,
    .multiplies_bf16 = kMultipliesBf16[kOwn],
    .conv_tiling = kTilings[kOwn],
#define ZS_KERNEL(kind, input, weight, accumulator, output, rows, columns, isa, type, name) \
  .name = if_present<Name::isa>([]() -> type { return name; }),
#include "kernels/list/all.inc"
#undef ZS_KERNEL
};

}  // namespace zeroskip::ZS_ISA
