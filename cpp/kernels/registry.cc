#include "kernels/registry.h"

#include <cstdlib>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "base/error.h"

namespace zeroskip {

#define ZS_ISA_ROW(enumerator, name, architecture, lanes, registers, tiles, needs) \
  namespace name {                                                                 \
  extern const KernelTable kTable;                                                 \
  }
#include "kernels/list/isa.inc"
#undef ZS_ISA_ROW

namespace {

struct IsaEntry {
  Isa isa;
  const char* name;
  const KernelTable* table;  // null: not in this build
  bool (*cpu_runs)();
};

// The table that `get` returns where it is in the build. Elsewhere it is not referred to.
template <bool kCompiled, typename Get>
const KernelTable* if_compiled(const Get& get) {
  if constexpr (kCompiled)
    return get();
  else
    return nullptr;
}

// Whether the CPU has all that a row of another architecture or of this one needs; only the latter are asked.
#if defined(__x86_64__)
bool has_cpuid_bit(unsigned leaf, unsigned bit) {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  return __get_cpuid(leaf, &eax, &ebx, &ecx, &edx) != 0 && (ecx >> bit & 1) != 0;
}
#define ZS_NEEDS(feature) &&__builtin_cpu_supports(#feature)
#define ZS_NEEDS_BIT(feature, leaf, bit) &&has_cpuid_bit(leaf, bit)
#define ZS_NEEDS_BF16(feature) ZS_NEEDS(feature)
#else
#define ZS_NEEDS(feature)
#define ZS_NEEDS_BIT(feature, leaf, bit)
#define ZS_NEEDS_BF16(feature)
#endif

const IsaEntry kEntries[] = {
#define ZS_ISA_ROW(enumerator, name, architecture, lanes, registers, tiles, needs)              \
  {Isa::enumerator, #name, if_compiled<ZS_HAVE_##name>([] { return &zeroskip::name::kTable; }), \
   [] { return ZS_EMULATES_##name || (true needs); }},
#include "kernels/list/isa.inc"
#undef ZS_ISA_ROW
};
#undef ZS_NEEDS
#undef ZS_NEEDS_BIT
#undef ZS_NEEDS_BF16

const IsaEntry& entry_of(Isa isa) { return kEntries[static_cast<size_t>(isa)]; }

std::string join_names(const std::vector<Isa>& isas) {
  std::string text;
  for (Isa isa : isas) text += (text.empty() ? "" : ", ") + std::string(isa_name(isa));
  return text;
}

}  // namespace

const char* isa_name(Isa isa) { return entry_of(isa).name; }

std::vector<Isa> isas_compiled() {
  std::vector<Isa> isas;
  for (const IsaEntry& entry : kEntries)
    if (entry.table) isas.push_back(entry.isa);
  return isas;
}

std::vector<Isa> isas_supported() {
  std::vector<Isa> isas;
  for (const IsaEntry& entry : kEntries)
    if (entry.table && entry.cpu_runs()) isas.push_back(entry.isa);
  return isas;
}

Isa choose_isa(const std::string& requested) {
  const char* forced = std::getenv("ZEROSKIP_FORCE_ISA");
  const std::string name = !requested.empty() ? requested : std::string(forced ? forced : "");
  if (name.empty()) return isas_supported().back();
  for (const IsaEntry& entry : kEntries) {
    if (name != entry.name) continue;
    check(entry.table != nullptr, "isa '", name,
          "' is not in this build; compiled: ", join_names(isas_compiled()));
    check(entry.cpu_runs(), "this CPU does not run isa '", name,
          "'; supported: ", join_names(isas_supported()));
    return entry.isa;
  }
  throw_error("unknown isa '", name, "'; compiled: ", join_names(isas_compiled()));
}

const KernelTable& kernel_table(Isa isa) {
  check(entry_of(isa).table != nullptr, "isa '", isa_name(isa), "' is not in this build");
  return *entry_of(isa).table;
}

}  // namespace zeroskip
