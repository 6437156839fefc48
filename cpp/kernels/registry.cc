#include "kernels/registry.h"

#include <cstdlib>
#include <string_view>

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#endif

#include "base/error.h"

namespace zeroskip {

#define ZS_ISA_ROW(enumerator, name, ...) \
  namespace name {                        \
  extern const KernelTable kTable;        \
  }
#include "kernels/list/isa.inc"
#undef ZS_ISA_ROW

namespace {

struct IsaEntry {
  Isa isa;
  const char* name;
  const char* parent;      // or `none`
  const KernelTable* own;  // null: not in this build
  bool (*cpu_has)();       // what it needs beyond its parent
};

// The table that `get` returns where it is in the build. Elsewhere it is not referred to.
template <bool kCompiled, typename Get>
const KernelTable* if_compiled(const Get& get) {
  if constexpr (kCompiled)
    return get();
  else
    return nullptr;
}

// Whether the CPU has all that a row needs; features of other architectures are not asked for.
#if defined(__x86_64__)
struct CpuidRegisters {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
};
bool has_cpuid_bit(unsigned leaf, unsigned subleaf, unsigned CpuidRegisters::* reg, unsigned bit) {
  CpuidRegisters r;
  return __get_cpuid_count(leaf, subleaf, &r.eax, &r.ebx, &r.ecx, &r.edx) != 0 && (r.*reg >> bit & 1) != 0;
}
#define ZS_NEEDS(feature) &&__builtin_cpu_supports(#feature)
#define ZS_NEEDS_BIT(feature, leaf, subleaf, reg, bit) \
  &&has_cpuid_bit(leaf, subleaf, &CpuidRegisters::reg, bit)
#else
#define ZS_NEEDS(feature)
#define ZS_NEEDS_BIT(feature, leaf, subleaf, reg, bit)
#endif
#if defined(__aarch64__) && defined(__linux__)
#define ZS_NEEDS_HWCAP(feature, entry, bit) &&(getauxval(entry) >> bit & 1) != 0
#elif defined(__aarch64__)
#define ZS_NEEDS_HWCAP(feature, entry, bit) &&false  // this system has no such vector
#else
#define ZS_NEEDS_HWCAP(feature, entry, bit)
#endif

const IsaEntry kEntries[] = {
#define ZS_ISA_ROW(enumerator, name, architecture, parent, families, lanes, registers, tiles, instructions, \
                   needs)                                                                                   \
  {Isa::enumerator, #name, #parent, if_compiled<ZS_HAVE_##name>([] { return &zeroskip::name::kTable; }),    \
   [] { return ZS_EMULATES_##name || (true needs); }},
#include "kernels/list/isa.inc"
#undef ZS_ISA_ROW
};
#undef ZS_NEEDS
#undef ZS_NEEDS_BIT
#undef ZS_NEEDS_HWCAP

const IsaEntry& entry_of(Isa isa) { return kEntries[static_cast<size_t>(isa)]; }

// Null: it has none.
const IsaEntry* parent_of(const IsaEntry& entry) {
  for (const IsaEntry& other : kEntries)
    if (std::string_view(entry.parent) == other.name) return &other;
  return nullptr;
}

bool cpu_runs(const IsaEntry& entry) {
  const IsaEntry* parent = parent_of(entry);
  return (!parent || cpu_runs(*parent)) && entry.cpu_has();
}

// Every instruction set's table, what it lacks being its parent's.
std::vector<KernelTable> complete_tables() {
  std::vector<KernelTable> tables;
  for (const IsaEntry& entry : kEntries) {
    KernelTable table = entry.own ? *entry.own : KernelTable{};
    if (const IsaEntry* parent = parent_of(entry)) {
      const KernelTable& from = tables[static_cast<size_t>(parent->isa)];
#define ZS_KERNEL(kind, input, weight, accumulator, output, rows, columns, isa, type, name) \
  if (!table.name) table.name = from.name;
#include "kernels/list/all.inc"
#undef ZS_KERNEL
    }
    tables.push_back(table);
  }
  return tables;
}

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
    if (entry.own) isas.push_back(entry.isa);
  return isas;
}

std::vector<Isa> isas_supported() {
  std::vector<Isa> isas;
  for (const IsaEntry& entry : kEntries)
    if (entry.own && cpu_runs(entry)) isas.push_back(entry.isa);
  return isas;
}

Isa choose_isa(const std::string& requested) {
  const char* forced = std::getenv("ZEROSKIP_FORCE_ISA");
  const std::string name = !requested.empty() ? requested : std::string(forced ? forced : "");
  if (name.empty()) return isas_supported().back();
  for (const IsaEntry& entry : kEntries) {
    if (name != entry.name) continue;
    check(entry.own != nullptr, "isa '", name,
          "' is not in this build; compiled: ", join_names(isas_compiled()));
    check(cpu_runs(entry), "this CPU does not run isa '", name,
          "'; supported: ", join_names(isas_supported()));
    return entry.isa;
  }
  throw_error("unknown isa '", name, "'; compiled: ", join_names(isas_compiled()));
}

const KernelTable& own_kernels(Isa isa) {
  check(entry_of(isa).own != nullptr, "isa '", isa_name(isa), "' is not in this build");
  return *entry_of(isa).own;
}

const KernelTable& kernel_table(Isa isa) {
  static const std::vector<KernelTable> tables = complete_tables();
  return tables[static_cast<size_t>(own_kernels(isa).isa)];
}

}  // namespace zeroskip
