#include <algorithm>

#include "kernels/dconv/finish_pixel.h"
#include "kernels/spconv/spconv.h"
#include "kernels/winograd/points.h"
#include "kernels/winograd/winograd.h"

namespace zeroskip::ZS_ISA {
namespace {

constexpr int kIn = kWinogradInput;

// V = B' d B for one vector of channels; at(row, column) gives d.
template <typename At>
inline void input_tile(const At& at, float* v, int64_t matrix_stride) {
  Vec rows[kIn][kIn];  // B' d, transposed
#pragma GCC unroll 6
  for (int column = 0; column < kIn; ++column) {
    Vec d[kIn], t[kIn];
#pragma GCC unroll 6
    for (int row = 0; row < kIn; ++row) d[row] = at(row, column);
    transform_input(d, t);
#pragma GCC unroll 6
    for (int row = 0; row < kIn; ++row) rows[row][column] = t[row];
  }
#pragma GCC unroll 6
  for (int row = 0; row < kIn; ++row) {
    Vec t[kIn];
    transform_input(rows[row], t);
#pragma GCC unroll 6
    for (int column = 0; column < kIn; ++column) store(v + (row * kIn + column) * matrix_stride, t[column]);
  }
}

// The window's part inside the image, copied into a window of zeros.
inline void copy_window(const WinogradInputArgs& args, int64_t channel, Vec* window) {
  const auto inside = [](int64_t first, int64_t extent) {
    return std::pair{std::max<int64_t>(0, -first), std::min<int64_t>(kIn, extent - first)};
  };
  const auto [first_row, last_row] = inside(args.top, args.height);
  const auto [first_column, last_column] = inside(args.left, args.width);
  std::fill_n(window, kWinogradMatrices, Vec{});
  for (int64_t row = first_row; row < last_row; ++row)
    for (int64_t column = first_column; column < last_column; ++column)
      window[row * kIn + column] = load(args.image + (args.top + row) * args.row_stride +
                                        (args.left + column) * args.pixel_stride + channel);
}

}  // namespace

void f32_winograd_input(const WinogradInputArgs& args) {
  const bool is_inside =
      args.top >= 0 && args.left >= 0 && args.top + kIn <= args.height && args.left + kIn <= args.width;
  for (int64_t channel = 0; channel < args.blocks * 16; channel += kLanes) {
    if (is_inside) {
      const float* x = args.image + args.top * args.row_stride + args.left * args.pixel_stride + channel;
      input_tile(
          [&](int row, int column) { return load(x + row * args.row_stride + column * args.pixel_stride); },
          args.v + channel, args.matrix_stride);
    } else {
      Vec window[kWinogradMatrices];
      copy_window(args, channel, window);
      input_tile([&](int row, int column) { return window[row * kIn + column]; }, args.v + channel,
                 args.matrix_stride);
    }
  }
}

namespace {

// y = A' m A + bias for one vector of channels; outputs lie kVectorsPerBlock apart.
template <int kOut>
inline void output_tile(const float* m, int64_t matrix_stride, Vec bias, Vec* y) {
  Vec rows[kOut][kIn];
#pragma GCC unroll 6
  for (int column = 0; column < kIn; ++column) {
    Vec d[kIn], t[kOut];
#pragma GCC unroll 6
    for (int row = 0; row < kIn; ++row) d[row] = load(m + (row * kIn + column) * matrix_stride);
    transform_output<kOut>(d, t);
#pragma GCC unroll 4
    for (int row = 0; row < kOut; ++row) rows[row][column] = t[row];
  }
#pragma GCC unroll 4
  for (int row = 0; row < kOut; ++row) {
    Vec t[kOut];
    transform_output<kOut>(rows[row], t);
#pragma GCC unroll 4
    for (int column = 0; column < kOut; ++column)
      y[(row * kOut + column) * kVectorsPerBlock] = t[column] + bias;
  }
}

inline void next_block(ConvEpilogueArgs& epilogue) {
  epilogue.y += 16;
  if (epilogue.residual) epilogue.residual += 16;
  if (epilogue.thresholds) epilogue.thresholds += 16;
  if (epilogue.mask) ++epilogue.mask;
}

template <int kOut>
inline void finish_tile(const WinogradOutputArgs& args) {
  ConvEpilogueArgs epilogue = *args.epilogue;
  for (int64_t block = 0; block < args.blocks; ++block, next_block(epilogue)) {
    Vec y[kOut * kOut][kVectorsPerBlock];
#pragma GCC unroll 4
    for (int i = 0; i < kVectorsPerBlock; ++i) {
      const int64_t channel = block * 16 + i * kLanes;
      output_tile<kOut>(args.m + channel, args.matrix_stride, load(args.bias + channel), &y[0][i]);
    }
    for (int64_t row = 0; row < args.rows; ++row)
      for (int64_t column = 0; column < args.columns; ++column)
        finish_pixel<1>(epilogue, row * args.row_pixels + column, y[row * kOut + column]);
  }
}

template <int kTaps>
inline void weight_rows(const WinogradWeightArgs& args) {
  for (int64_t output = 0; output < kSlab; output += kLanes) {
    Vec rows[kIn][kTaps];
#pragma GCC unroll 4
    for (int column = 0; column < kTaps; ++column) {
      Vec g[kTaps], t[kIn];
#pragma GCC unroll 4
      for (int row = 0; row < kTaps; ++row)
        g[row] = load(args.weights + (row * kTaps + column) * kSlab + output);
      transform_weights<kTaps>(g, t);
#pragma GCC unroll 6
      for (int row = 0; row < kIn; ++row) rows[row][column] = t[row];
    }
#pragma GCC unroll 6
    for (int row = 0; row < kIn; ++row) {
      Vec t[kIn];
      transform_weights<kTaps>(rows[row], t);
#pragma GCC unroll 6
      for (int column = 0; column < kIn; ++column)
        store(args.u + (row * kIn + column) * args.matrix_stride + output, t[column]);
    }
  }
}

}  // namespace

void f32_winograd4_output(const WinogradOutputArgs& args) { finish_tile<4>(args); }

void f32_winograd3_output(const WinogradOutputArgs& args) { finish_tile<3>(args); }

void f32_winograd4_weights(const WinogradWeightArgs& args) { weight_rows<winograd_taps(4)>(args); }

void f32_winograd3_weights(const WinogradWeightArgs& args) { weight_rows<winograd_taps(3)>(args); }

}  // namespace zeroskip::ZS_ISA
