// Convolution weights in the layout both algorithms read: slabs of 64 output channels (see
// kernels/spconv/spconv.h).
#pragma once

#include "ops/conv/geometry.h"

namespace zeroskip {

// Groups merged until a group's channels fill whole blocks, by default of 16: what the kernels see. Narrow groups become
// dense blocks with zeros off the diagonal; one group stays one group.
struct GroupLayout {
  int64_t groups;  // after merging
  int64_t in;      // input channels per merged group
  int64_t out;     // output channels per merged group
  int64_t merged;  // original groups in one merged group

  int64_t blocks() const { return ceil_div(out, kChannelBlock); }
  int64_t slabs() const { return ceil_div(out, kSlab); }
};
GroupLayout merge_groups(const ConvGeometry& geometry, int64_t block = kChannelBlock);

// [group][slab][tap][in][64], zero beyond `out`.
AlignedFloats pack_conv_weights(const ConvGeometry& geometry, const GroupLayout& layout, const float* weight,
                                int num_threads);

// Of a convolution that reads gathered rows, whose taps are the kernel's rows: [slab][kh][kw * c][64].
AlignedFloats pack_conv_rows(const ConvGeometry& geometry, const GroupLayout& layout, const float* weight,
                             int num_threads);

// [group][slabs * 64] values per output channel, padded with `fill`; `values` may be null (all `fill`).
AlignedFloats pack_per_channel(const GroupLayout& layout, const float* values, float fill);

}  // namespace zeroskip
