#include "ops/conv_weights.h"

#include <algorithm>

namespace zeroskip {

GroupLayout merge_groups(const ConvGeometry& g) {
  const int64_t in = g.c / g.groups, out = g.o / g.groups;
  for (int64_t merged = 1; merged < g.groups; ++merged) {
    const bool fills_blocks = (merged * in) % kChannelBlock == 0 && (merged * out) % kChannelBlock == 0;
    if (g.groups % merged == 0 && fills_blocks) return {g.groups / merged, merged * in, merged * out, merged};
  }
  return {1, g.c, g.o, g.groups};
}

AlignedFloats pack_conv_weights(const ConvGeometry& g, const GroupLayout& layout, const float* weight) {
  const int64_t taps = g.taps(), in_original = g.c / g.groups, out_original = g.o / g.groups;
  const int64_t tap_stride = layout.in * kSlab, slab_stride = taps * tap_stride;
  const int64_t group_stride = layout.slabs() * slab_stride;
  AlignedFloats packed(static_cast<size_t>(layout.groups * group_stride));
  for (int64_t o = 0; o < g.o; ++o) {
    const int64_t group = o / layout.out, o_in_group = o % layout.out;
    const int64_t first_in =
        o / out_original * in_original - group * layout.in;  // channel 0 of o's own group
    float* column =
        packed.data() + group * group_stride + o_in_group / kSlab * slab_stride + o_in_group % kSlab;
    const float* source = weight + o * in_original * taps;
    for (int64_t i = 0; i < in_original; ++i)
      for (int64_t tap = 0; tap < taps; ++tap)
        column[tap * tap_stride + (first_in + i) * kSlab] = source[i * taps + tap];
  }
  return packed;
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
