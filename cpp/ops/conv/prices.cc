#include "ops/conv/prices.h"

#include <algorithm>

namespace zeroskip {
namespace {

// Fitted to layers of ResNet and VGG timed by benchmarks/layers. With two FMAs a cycle (Emerald Rapids,
// AVX-512, November 2026) a skipped FMA saves half a cycle, and what is not an FMA weighs twice as much. The
// dense tile's FMA is cheaper than the sparse kernel's, for it loads less; at few non-zeros mispredictions
// hide behind nothing.
constexpr ConvPriceList kTwoFmasPerCycle = {
    .few = {.dense_fma = 0.89, .non_zero = 1.2, .visit = 0.0, .visit_vector = 9.0},
    .many = {.dense_fma = 0.89, .non_zero = 1.2, .visit = 32.0, .visit_vector = 0.0},
};
// Zen 4 executes one 512-bit FMA a cycle (November 2026). There the two kernels meet at densities of .95
// to 1.
constexpr ConvPrices kOneFma = {.dense_fma = 1.09, .non_zero = 0.5, .visit = 4.0, .visit_vector = 1.9};
constexpr ConvPriceList kOneFmaPerCycle = {.few = kOneFma, .many = kOneFma};

// Of those CPUs that run 512-bit kernels at all.
bool is_zen4() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  return __builtin_cpu_is("amdfam19h");
#else
  return false;
#endif
}

}  // namespace

double ConvPrices::crossover_density(double channels, double vectors, double fma) const {
  const double alternative = channels * vectors * fma - visit - visit_vector * vectors;
  return std::clamp(alternative / (channels * (vectors + non_zero)), 0.0, 1.0);
}

const ConvPriceList& conv_prices(const KernelTable& kernels) {
  static const bool halves_wide_fmas = is_zen4();
  const bool is_512_bits_wide = kernels.lanes == 16;
  return halves_wide_fmas && is_512_bits_wide ? kOneFmaPerCycle : kTwoFmasPerCycle;
}

}  // namespace zeroskip
