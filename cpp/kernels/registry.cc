#include "kernels/registry.h"

#include <array>
#include <cstdlib>

#include "base/error.h"

namespace zeroskip {

#define ZS_DECLARE_TABLE(isa)      \
  namespace isa {                  \
  extern const KernelTable kTable; \
  }
#ifdef ZS_HAVE_generic
ZS_DECLARE_TABLE(generic)
#endif
#ifdef ZS_HAVE_neon
ZS_DECLARE_TABLE(neon)
#endif
#ifdef ZS_HAVE_avx2
ZS_DECLARE_TABLE(avx2)
#endif
#ifdef ZS_HAVE_avx512
ZS_DECLARE_TABLE(avx512)
#endif

namespace {

bool cpu_runs(Isa isa) {
#if defined(__x86_64__)
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                    __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") &&
                    __builtin_cpu_supports("popcnt");
  if (isa == Isa::kAvx2) return avx2;
  if (isa == Isa::kAvx512)
    return avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512cd");
#endif
  return isa == Isa::kGeneric || isa == Isa::kNeon;
}

std::string join_names(const std::vector<Isa>& isas) {
  std::string text;
  for (Isa isa : isas) text += (text.empty() ? "" : ", ") + std::string(isa_name(isa));
  return text;
}

bool contains(const std::vector<Isa>& isas, Isa wanted) {
  for (Isa isa : isas)
    if (isa == wanted) return true;
  return false;
}

}  // namespace

const char* isa_name(Isa isa) {
  switch (isa) {
    case Isa::kGeneric:
      return "generic";
    case Isa::kNeon:
      return "neon";
    case Isa::kAvx2:
      return "avx2";
    case Isa::kAvx512:
      return "avx512";
  }
  return "unknown";
}

std::vector<Isa> isas_compiled() {
  std::vector<Isa> isas;
#ifdef ZS_HAVE_generic
  isas.push_back(Isa::kGeneric);
#endif
#ifdef ZS_HAVE_neon
  isas.push_back(Isa::kNeon);
#endif
#ifdef ZS_HAVE_avx2
  isas.push_back(Isa::kAvx2);
#endif
#ifdef ZS_HAVE_avx512
  isas.push_back(Isa::kAvx512);
#endif
  return isas;
}

std::vector<Isa> isas_supported() {
  std::vector<Isa> isas;
  for (Isa isa : isas_compiled())
    if (cpu_runs(isa)) isas.push_back(isa);
  return isas;
}

Isa choose_isa(const std::string& requested) {
  const char* forced = std::getenv("ZEROSKIP_FORCE_ISA");
  const std::string name = !requested.empty() ? requested : std::string(forced ? forced : "");
  if (name.empty()) return isas_supported().back();
  for (Isa isa : {Isa::kGeneric, Isa::kNeon, Isa::kAvx2, Isa::kAvx512}) {
    if (name != isa_name(isa)) continue;
    check(contains(isas_compiled(), isa), "isa '", name,
          "' is not in this build; compiled: ", join_names(isas_compiled()));
    check(contains(isas_supported(), isa), "this CPU does not run isa '", name,
          "'; supported: ", join_names(isas_supported()));
    return isa;
  }
  throw_error("unknown isa '", name, "'; compiled: ", join_names(isas_compiled()));
}

const KernelTable& kernel_table(Isa isa) {
  switch (isa) {
#ifdef ZS_HAVE_neon
    case Isa::kNeon:
      return neon::kTable;
#endif
#ifdef ZS_HAVE_avx2
    case Isa::kAvx2:
      return avx2::kTable;
#endif
#ifdef ZS_HAVE_avx512
    case Isa::kAvx512:
      return avx512::kTable;
#endif
    default:
      return generic::kTable;
  }
}

}  // namespace zeroskip
