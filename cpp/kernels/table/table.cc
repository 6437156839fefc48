// The kernel table of one instruction set (this file is compiled once per ISA): of the families that it compiles itself.
#include <string_view>
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
#define ZS_ISA_ROW(enumerator, name, ...) name,
#include "kernels/list/isa.inc"
#undef ZS_ISA_ROW
};

struct IsaRow {
  Isa isa;
  std::string_view families;
  ConvTiling tiling;
  bool multiplies_quads, multiplies_bf16;
};
constexpr IsaRow kRows[] = {
#define ZS_TILES(point, row_pair, dense) {point, row_pair, dense}
#define ZS_INSTRUCTIONS(quads, bf16, compress) quads, bf16
#define ZS_ISA_ROW(enumerator, name, architecture, parent, families, lanes, registers, tiles, instructions, \
                   needs)                                                                                   \
  {Isa::enumerator, #families, tiles, instructions},
#include "kernels/list/isa.inc"
#undef ZS_ISA_ROW
#undef ZS_INSTRUCTIONS
#undef ZS_TILES
};
constexpr const IsaRow& kOwn = kRows[static_cast<size_t>(Name::ZS_ISA) - 1];

constexpr bool has_kernel(Name isa, std::string_view family) {
  return (isa == Name::all || isa == Name::ZS_ISA) && (kOwn.families == "all" || kOwn.families == family);
}

// What `get` returns, a kernel, where it is present. Elsewhere the kernel is not referred to.
template <bool kIsPresent, typename Get>
constexpr auto if_present(const Get& get) -> decltype(get()) {
  if constexpr (kIsPresent)
    return get();
  else
    return nullptr;
}

}  // namespace

extern const KernelTable kTable;
const KernelTable kTable = {
    .isa = kOwn.isa,
    .lanes = kLanes,
    .multiplies_quads = kOwn.multiplies_quads,
    .multiplies_bf16 = kOwn.multiplies_bf16,
    .conv_tiling = kOwn.tiling,
#define ZS_TEXT(word) #word
#define ZS_TEXT_OF(macro) ZS_TEXT(macro)
#define ZS_KERNEL(kind, input, weight, accumulator, output, rows, columns, isa, type, name) \
  .name = if_present<has_kernel(Name::isa, ZS_TEXT_OF(ZS_FAMILY))>([]() -> type { return name; }),
#include "kernels/list/all.inc"
#undef ZS_KERNEL
#undef ZS_TEXT_OF
#undef ZS_TEXT
};

}  // namespace zeroskip::ZS_ISA
