// The part of a pooling window that lies inside the image.
#pragma once

#include "kernels/pool/pool.h"

namespace zeroskip::ZS_ISA {

// The taps [first, last) of a window axis that lie inside [0, size).
struct Taps {
  int64_t first, last;
};

inline Taps taps_inside(int64_t start, int64_t kernel, int64_t dilation, int64_t size) {
  // Not by division, which costs as much as a small window, unless taps are apart; nor by counting: a window
  // may be a million wide.
  const int64_t before = -start, inside = size - start;
  const int64_t first = before <= 0 ? 0 : dilation == 1 ? before : (before + dilation - 1) / dilation;
  const int64_t last = inside <= 0 ? 0 : dilation == 1 ? inside : (inside + dilation - 1) / dilation;
  return {first < kernel ? first : kernel, last < kernel ? last : kernel};
}

template <typename T>
struct Window {
  const T* x;  // the first tap inside the image
  int64_t rows, columns;
  int64_t row_stride, column_stride;  // in elements
  float count;                        // what an average divides by
};

template <typename T>
inline Window<T> window_at(const PoolArgs& args, const Taps& rows, int64_t pixel) {
  const int64_t start = pixel * args.stride_w - args.pad_left;
  const Taps columns = taps_inside(start, args.kernel_w, args.dilation_w, args.in_w);
  int64_t count = (rows.last - rows.first) * (columns.last - columns.first);
  if (args.count_include_pad) {
    // A window of a ceil-mode output may reach beyond the padding: that part never counts.
    const Taps all_rows =
        taps_inside(0, args.kernel_h, args.dilation_h, args.in_h + args.pad_bottom - args.first_row);
    const Taps all_columns =
        taps_inside(0, args.kernel_w, args.dilation_w, args.in_w + args.pad_right - start);
    count = all_rows.last * all_columns.last;
  }
  const int64_t first_row = args.first_row + rows.first * args.dilation_h;
  const int64_t first_column = start + columns.first * args.dilation_w;
  return {.x = reinterpret_cast<const T*>(args.x) + (first_row * args.in_w + first_column) * args.x_stride,
          .rows = rows.last - rows.first,
          .columns = columns.last - columns.first,
          .row_stride = args.dilation_h * args.in_w * args.x_stride,
          .column_stride = args.dilation_w * args.x_stride,
          .count = static_cast<float>(count)};
}

}  // namespace zeroskip::ZS_ISA
