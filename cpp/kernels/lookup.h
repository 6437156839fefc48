// Finding kernels by the columns of their list rows: what they compute, of which types, in which tile.
#pragma once

#include <algorithm>
#include <optional>
#include <string_view>
#include <type_traits>

#include "base/error.h"
#include "base/types.h"
#include "kernels/kernel_types.h"

namespace zeroskip {

// The columns of a list row, see kernels/kernel_types.h. In a query, absent types match every row.
struct KernelColumns {
  std::string_view kind;
  std::optional<DataType> input = {}, weight = {}, accumulator = {}, output = {};
  int64_t rows = 0, columns = 0;
};

// A kernel that was found.
template <typename Fn>
struct Kernel {
  Fn function = nullptr;
  const char* name = "";
  KernelColumns columns{};

  explicit operator bool() const { return function != nullptr; }
};

namespace column {  // the words of the list rows
inline constexpr std::optional<DataType> none;
#define ZS_TYPE(enumerator, name, bytes, channel_block, mask_elements, type) \
  inline constexpr std::optional<DataType> name = DataType::enumerator;
#include "base/types.inc"
#undef ZS_TYPE
}  // namespace column

// Calls visit(columns, name, function) for every row of the list that the table's instruction set has.
template <typename Visit>
void for_each_kernel(const KernelTable& table, const Visit& visit) {
#define ZS_KERNEL(kind, input, weight, accumulator, output, rows, columns, isa, type, name)              \
  if (table.name)                                                                                        \
    visit(KernelColumns{#kind, column::input, column::weight, column::accumulator, column::output, rows, \
                        columns},                                                                        \
          #name, table.name);
#include "kernels/list/all.inc"
#undef ZS_KERNEL
}

// The kernel of the wanted kind and types with the widest tile of at most wanted.columns columns, 0 being any
// number. Empty when there is none.
template <typename Fn>
Kernel<Fn> find_widest_kernel(const KernelTable& table, const KernelColumns& wanted) {
  const auto fits = [](std::optional<DataType> want, std::optional<DataType> has) {
    return !want || want == has;
  };
  Kernel<Fn> best;
  for_each_kernel(table, [&](const KernelColumns& row, const char* name, auto function) {
    if constexpr (std::is_same_v<decltype(function), Fn>) {
      const bool is_wanted = row.kind == wanted.kind && fits(wanted.input, row.input) &&
                             fits(wanted.weight, row.weight) && fits(wanted.accumulator, row.accumulator) &&
                             fits(wanted.output, row.output);
      const bool is_narrow_enough = wanted.columns == 0 || row.columns <= wanted.columns;
      if (is_wanted && is_narrow_enough && (!best || row.columns > best.columns.columns))
        best = {function, name, row};
    }
  });
  return best;
}

// Likewise, but throws Error where there is none.
template <typename Fn>
Kernel<Fn> get_kernel(const KernelTable& table, const KernelColumns& wanted) {
  const Kernel<Fn> found = find_widest_kernel<Fn>(table, wanted);
  const auto text = [](std::optional<DataType> type) { return type ? traits(*type).name : "any type"; };
  check(static_cast<bool>(found), "there is no kernel '", wanted.kind, "' for input ", text(wanted.input),
        ", weight ", text(wanted.weight), " and output ", text(wanted.output));
  return found;
}

}  // namespace zeroskip
