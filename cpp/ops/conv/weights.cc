#include "ops/conv/weights.h"

#include <algorithm>
#include <vector>

namespace zeroskip {

GroupLayout merge_groups(const ConvGeometry& g, int64_t block) {
  const int64_t in = g.c / g.groups, out = g.o / g.groups;
  for (int64_t merged = 1; merged < g.groups; ++merged) {
    const bool fills_blocks = (merged * in) % block == 0 && (merged * out) % block == 0;
    if (g.groups % merged == 0 && fills_blocks) return {g.groups / merged, merged * in, merged * out, merged};
  }
  return {1, g.c, g.o, g.groups};
}

namespace {

// One output channel after the other would touch a cache line per value written; this walks 8 channels by 16
// values, so that every line read and written is used whole.
constexpr int64_t kChannelsAtOnce = 8;
constexpr int64_t kValuesAtOnce = 16;

// Copies the weights of output channels [first, last) of one slab; source is [channel][value = in * taps +
// tap].
void pack_slab(const ConvGeometry& g, const GroupLayout& layout, int64_t group, int64_t first, int64_t last,
               const float* weight, float* slab) {
  const int64_t taps = g.taps(), in_original = g.c / g.groups, out_original = g.o / g.groups;
  const int64_t values = in_original * taps;
  for (int64_t o0 = first; o0 < last; o0 += kChannelsAtOnce)
    for (int64_t v0 = 0; v0 < values; v0 += kValuesAtOnce)
      for (int64_t o = o0; o < std::min(last, o0 + kChannelsAtOnce); ++o) {
        const int64_t first_in = o / out_original * in_original - group * layout.in;  // of o's own group
        const float* source = weight + o * values;
        float* column = slab + first_in * kSlab + (o - group * layout.out) % kSlab;
        int64_t in = v0 / taps, tap = v0 % taps;
        for (int64_t v = v0; v < std::min(values, v0 + kValuesAtOnce); ++v) {
          column[(tap * layout.in + in) * kSlab] = source[v];
          if (++tap == taps) tap = 0, ++in;
        }
      }
}

}  // namespace

AlignedFloats pack_conv_weights(const ConvGeometry& g, const GroupLayout& layout, const float* weight,
                                int num_threads) {
  const int64_t slab_floats = g.taps() * layout.in * kSlab;
  AlignedFloats packed(static_cast<size_t>(layout.groups * layout.slabs() * slab_floats));
  parallel_for(num_threads, layout.groups * layout.slabs(), [&](int64_t slab, int) {
    const int64_t group = slab / layout.slabs(), first = group * layout.out + slab % layout.slabs() * kSlab;
    const int64_t last = std::min(first + kSlab, (group + 1) * layout.out);
    pack_slab(g, layout, group, first, last, weight, packed.data() + slab * slab_floats);
  });
  return packed;
}

AlignedFloats pack_conv_rows(const ConvGeometry& g, const GroupLayout& layout, const float* weight,
                             int num_threads) {
  std::vector<float> rows(static_cast<size_t>(g.o * g.c * g.taps()));  // (o, c, kh, kw) as (o, kw * c, kh, 1)
  for (int64_t o = 0; o < g.o; ++o)
    for (int64_t c = 0; c < g.c; ++c)
      for (int64_t ky = 0; ky < g.kh; ++ky)
        for (int64_t kx = 0; kx < g.kw; ++kx)
          rows[static_cast<size_t>(((o * g.kw + kx) * g.c + c) * g.kh + ky)] =
              weight[((o * g.c + c) * g.kh + ky) * g.kw + kx];
  ConvGeometry as_rows = g;
  as_rows.c = g.kw * g.c;
  as_rows.kw = 1;
  GroupLayout row_layout = layout;
  row_layout.in = as_rows.c;
  return pack_conv_weights(as_rows, row_layout, rows.data(), num_threads);
}

AlignedFloats pack_per_channel(const GroupLayout& layout, const float* values, float fill) {
  const int64_t padded = layout.slabs() * kSlab;
  AlignedFloats packed(static_cast<size_t>(layout.groups * padded));
  std::fill_n(packed.data(), packed.size(), fill);
  if (values)
    for (int64_t group = 0; group < layout.groups; ++group)
      std::copy_n(values + group * layout.out, layout.out, packed.data() + group * padded);
  return packed;
}

}  // namespace zeroskip
