// What the algorithms of a convolution cost beside each other, for the choice between them.
#pragma once

#include "kernels/kernel_types.h"

namespace zeroskip {

// In units of one vector FMA of the sparse kernel. A sparse kernel's time at a pixel, for one panel of
// `channels` input channels times `vectors` accumulators of which the share `density` is not skipped, is
//   visit + visit_vector * vectors + density * channels * (vectors + non_zero).
struct ConvPrices {
  double dense_fma;     // of the dense register tile
  double non_zero;      // finding one in a mask and broadcasting it
  double visit;         // a pixel by a panel: mispredicted loop ends
  double visit_vector;  // its accumulators' way through memory

  // The density at which skipping zeros takes as long as an alternative of `fma` per dense
  // multiply-accumulate.
  double crossover_density(double channels, double vectors, double fma) const;
};

// Two sets each, for few non-zeros (where Winograd is the alternative) and for many (where the dense tile
// is).
struct ConvPriceList {
  ConvPrices few, many;
};

// The prices for this CPU and the kernels it runs.
const ConvPriceList& conv_prices(const KernelTable& kernels);

}  // namespace zeroskip
