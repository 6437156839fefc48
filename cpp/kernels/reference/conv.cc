#include "kernels/reference/conv.h"

#include <algorithm>
#include <vector>

namespace zeroskip::reference {
namespace {

bool is_set(const uint16_t* mask, uint64_t channels, int k) {
  return (channels >> k & 1) && (mask[k / 16] >> (k % 16) & 1);
}

float finish(const ConvEpilogueArgs& args, int64_t pixel, int64_t channel, float value) {
  if (args.residual) value += args.residual[pixel * args.residual_stride + channel];
  if (!args.thresholds) return value;
  return value > args.thresholds[channel] ? std::min(value, args.max_value) : 0.0f;
}

void finish_pixel(const ConvEpilogueArgs& args, int64_t pixel, const std::vector<double>& acc) {
  std::vector<uint16_t> words(acc.size() / 16);
  for (size_t c = 0; c < acc.size(); ++c) {
    const float y = finish(args, pixel, static_cast<int64_t>(c), static_cast<float>(acc[c]));
    args.y[pixel * args.y_stride + static_cast<int64_t>(c)] = y;
    if (y != 0.0f) words[c / 16] |= static_cast<uint16_t>(1 << c % 16);
  }
  if (args.mask) std::copy(words.begin(), words.end(), args.mask + pixel * args.mask_stride);
}

float weight_at(const std::byte* panel, int64_t slab_stride, int64_t k, int64_t output) {
  return reinterpret_cast<const float*>(panel)[output / kSlab * slab_stride + k * kSlab + output % kSlab];
}

}  // namespace

void spconv_point(const SpconvPointArgs& args, int blocks) {
  const int64_t width = blocks * 16;
  std::vector<double> acc(static_cast<size_t>(width));
  for (int64_t p = 0; p < args.pixels; ++p) {
    for (int64_t o = 0; o < width; ++o) {
      double sum = args.bias ? args.bias[o] : args.acc[p * width + o];
      for (int k = 0; k < 64; ++k)
        if (is_set(args.mask + p * args.mask_stride, args.channels, k))
          sum += static_cast<double>(args.x[p * args.x_stride + k]) *
                 weight_at(args.weights, args.slab_stride, k, o);
      acc[static_cast<size_t>(o)] = sum;
    }
    if (args.epilogue)
      finish_pixel(*args.epilogue, p, acc);
    else
      std::copy(acc.begin(), acc.end(), args.acc + p * width);
  }
}

void spconv_row_pair(const SpconvRowPairArgs& args, int blocks) {
  const int64_t width = blocks * 16;
  std::vector<double> acc(static_cast<size_t>(width));
  for (int row = 0; row < 2; ++row) {
    const SpconvRowInput& in = args.row[row];
    for (int64_t j = 0; j < args.pixels + 2; ++j) {
      for (int64_t o = 0; o < width; ++o) {
        double sum = args.bias ? args.bias[o] : in.acc[j * width + o];
        for (int64_t tap = 0; tap < 3; ++tap) {
          const int64_t i = j - 2 + tap;  // acc pixel j's window starts at input pixel j - 2
          if (i < 0 || i >= args.pixels) continue;
          for (int k = 0; k < 64; ++k)
            if (is_set(in.mask + i * in.mask_stride, args.channels, k))
              sum += static_cast<double>(in.x[i * args.x_stride + k]) *
                     weight_at(args.weights + tap * args.tap_stride * 4, 0, k, o);
        }
        acc[static_cast<size_t>(o)] = sum;
      }
      if (!args.epilogue[row])
        std::copy(acc.begin(), acc.end(), in.acc + j * width);
      else if (j >= args.first_output && j < args.first_output + args.outputs)
        finish_pixel(*args.epilogue[row], j - args.first_output, acc);
    }
  }
}

void dconv(const DconvArgs& args, int blocks) {
  for (int64_t p = 0; p < args.count; ++p)
    for (int64_t o = 0; o < blocks * 16; ++o) {
      float& acc = args.acc[p * args.acc_stride + o];
      double sum = args.bias ? args.bias[o] : acc;
      for (int64_t tap = 0; tap < args.taps; ++tap)
        for (int64_t k = 0; k < args.channels; ++k)
          sum += static_cast<double>(args.pixels[tap * kDconvPixels + p][k]) *
                 args.weights[(tap * args.channels + k) * kSlab + o];
      acc = static_cast<float>(sum);
    }
}

}  // namespace zeroskip::reference
