// Every kernel of u8 convolutions, for every instruction set this CPU runs, byte for byte against the scalar reference:
// tile edges, sparsity 0, .5, .9 and 1, odd channel counts, zero points, every epilogue. Exits with 1 on a mismatch.
#include <algorithm>
#include <cstdio>
#include <limits>
#include <string>
#include <vector>

#include "kernels/reference/qconv.h"
#include "kernels/registry.h"
#include "tests/quad_lists.h"
#include "tests/quad_orders.h"
#include "tests/values.h"

namespace zeroskip {
namespace {

using namespace testing;

constexpr double kSparsities[] = {0.0, 0.5, 0.9, 1.0};
constexpr int64_t kPixelCounts[] = {1, 2, 3, 5, 6, 7, 11, 12, 13, 25};
constexpr int64_t kChannelCounts[] = {1, 2, 7, 8, 15, 16, 31, 64};
constexpr uint8_t kZeroPoints[] = {0, 1, 128, 255};
constexpr int64_t kTaps = 3;
constexpr int64_t kGroupPointers = kTaps * kQconvPixels;
// Where the pointer to a pixel lies: [group][tap][kQconvPixels].
size_t pointer_at(int64_t pixel, int64_t tap) {
  return static_cast<size_t>((pixel / kQconvPixels * (kTaps - 1) + tap) * kQconvPixels + pixel);
}

struct Fusion {
  bool bias, epilogue, residual, rounds, activation;
};
constexpr Fusion kFusions[] = {{false, false, false, false, false}, {true, false, false, false, false},
                               {false, true, false, false, true},   {true, true, true, false, true},
                               {true, true, true, true, false},     {true, true, false, false, false}};

using Bytes = std::vector<uint8_t>;
using Shorts = std::vector<int16_t>;
using Ints = std::vector<int32_t>;

class Checker {
  struct Case {
    int64_t pixels, channels, outputs;
    uint8_t zero;
    Bytes x, residual;
    std::vector<const uint8_t*> at;  // [pixel][tap]
    std::vector<int8_t> weights;     // [tap][channel][64]
    Ints bias, start;
    Floats multipliers, thresholds;
    Shorts zero_points;
  };

 public:
  explicit Checker(Isa isa) : isa_(isa), kernels_(kernel_table(isa)) {}

  void operator()(const char* name, QdconvFn kernel) {
    for_each_case(name, [&](Case& layer, const Fusion& fusion) {
      return run(layer, fusion, [&](Ints& acc, const RequantizeArgs* epilogue) {
        const int64_t even = layer.channels + layer.channels % 2;
        Shorts wide(layer.x.size() * 2 + 64), weights(static_cast<size_t>(kTaps * even * 64));
        std::vector<const int16_t*> pixels(pointer_at(layer.pixels + kQconvPixels, 0), wide.data());
        int16_t* next = wide.data();
        for (int64_t tap = 0; tap < kTaps; ++tap) {
          for (int64_t p = 0; p < layer.pixels; ++p, next += even) {
            kernels_.u8_widen(layer.at[static_cast<size_t>(p * kTaps + tap)], even, layer.zero, next);
            pixels[pointer_at(p, tap)] = next;
          }
          kernels_.s8_expand_pairs({.channels = layer.channels,
                                    .blocks = layer.outputs / 16,
                                    .from = layer.weights.data() + tap * layer.channels * 64,
                                    .to = reinterpret_cast<std::byte*>(weights.data() + tap * even * 16),
                                    .block_stride = kTaps * even * 32});
        }
        kernel({.count = layer.pixels,
                .taps = kTaps,
                .channels = even,
                .pixels = pixels.data(),
                .group_stride = kGroupPointers,
                .weights = reinterpret_cast<std::byte*>(weights.data()),
                .bias = fusion.bias ? layer.bias.data() : nullptr,
                .acc = acc.data(),
                .acc_stride = layer.outputs,
                .epilogue = epilogue});
      });
    });
  }

  // Pixels padded to whole quads by values that count for nothing, since their weights are zeros.
  struct QuadPixels {
    explicit QuadPixels(const Case& layer)
        : padded((layer.channels + 3) / 4 * 4),
          x(static_cast<size_t>(layer.pixels * kTaps * padded), 77),
          at(pointer_at(layer.pixels + kQconvPixels, 0), x.data()),
          zero_sums(64) {
      uint8_t* next = x.data();
      for (int64_t tap = 0; tap < kTaps; ++tap) {
        for (int64_t p = 0; p < layer.pixels; ++p, next += padded) {
          std::copy_n(layer.at[static_cast<size_t>(p * kTaps + tap)], layer.channels, next);
          at[pointer_at(p, tap)] = next;
        }
        for (int64_t i = 0; i < layer.channels * 64; ++i)
          zero_sums[static_cast<size_t>(i % 64)] +=
              layer.zero * layer.weights[static_cast<size_t>(tap * layer.channels * 64 + i)];
      }
      for (size_t o = 0; o < 64; ++o)
        bias.push_back((o < layer.bias.size() ? layer.bias[o] : 0) - zero_sums[o]);
    }
    int64_t padded;
    Bytes x;
    std::vector<const uint8_t*> at;  // [group][tap][kQconvPixels]
    Ints zero_sums, bias;            // what zero points add to each output; the bias less that
  };

  // With weights of all sizes: few quads are narrow, half of them, nearly all, and all of them as large as two may be.
  void operator()(const char* name, QdbytesFn kernel) {
    for (const int most : {128, 64, 40, 32})
      for_each_case(name, [&](Case& layer, const Fusion& fusion) {
        for (int8_t& weight : layer.weights)
          weight = static_cast<int8_t>(std::clamp<int>(weight, -most, most));
        const QuadPixels pixels(layer);
        const OrderedWeights ordered(kernels_.s8_expand_ordered, layer.weights.data(), kTaps, layer.channels);
        return run(layer, fusion, [&](Ints& acc, const RequantizeArgs* epilogue) {
          for (int64_t i = 0; !fusion.bias && i < layer.pixels * layer.outputs; ++i)
            acc[static_cast<size_t>(i)] -= pixels.zero_sums[static_cast<size_t>(i % layer.outputs)];
          kernel({.count = layer.pixels,
                  .taps = kTaps,
                  .pixels = pixels.at.data(),
                  .group_stride = kGroupPointers,
                  .orders = ordered.orders.data(),
                  .order_stride = ordered.order_bytes,
                  .weights = ordered.weights.data(),
                  .bias = fusion.bias ? pixels.bias.data() : nullptr,
                  .acc = acc.data(),
                  .acc_stride = layer.outputs,
                  .epilogue = epilogue});
        });
      });
  }

  void operator()(const char* name, QdquadsFn kernel) {
    for_each_case(name, [&](Case& layer, const Fusion& fusion) {
      if (!fusion.epilogue || !fusion.bias || layer.pixels > kQconvPixels) return true;
      const QuadPixels pixels(layer);
      std::vector<int8_t> weights(static_cast<size_t>(kTaps * pixels.padded * 64));
      for (int64_t tap = 0; tap < kTaps; ++tap)
        std::copy_n(layer.weights.data() + tap * layer.channels * 64, layer.channels * 64,
                    weights.data() + tap * pixels.padded * 64);
      return run(layer, fusion, [&](Ints&, const RequantizeArgs* epilogue) {
        kernel({.count = layer.pixels,
                .taps = kTaps,
                .channels = pixels.padded,
                .pixels = pixels.at.data(),
                .weights = reinterpret_cast<const std::byte*>(weights.data()),
                .blocks = layer.outputs / 16,
                .bias = pixels.bias.data(),
                .epilogue = epilogue});
      });
    });
  }

  // In two calls, the second of which takes the sums of the first tap from memory. Pixels as one row and as two.
  void operator()(const char* name, QspconvFn kernel) {
    for (const double sparsity : kSparsities)
      for (const int64_t pixels : {1, 2, 3, 6, 10})
        for (const int64_t channels : kChannelCounts)
          for (const int64_t outputs : {16, 48, 64})
            for (const Fusion& fusion : kFusions) {
              if (!fusion.epilogue || !fusion.bias || sampler_.skips()) continue;
              Case layer = make_case(pixels, channels, outputs, sparsity, 0);
              report(name, run(layer, fusion, [&](Ints&, const RequantizeArgs* epilogue) {
                       run_pairs(layer, pixels % 2 ? pixels : pixels / 2, *epilogue, kernel);
                     }));
            }
  }

  void operator()(const char* name, QuadListFn kernel) {
    for (const double sparsity : kSparsities)
      for (const int64_t channels : kChannelCounts)
        for (const int64_t visits : {0, 100})
          for (const bool has_second : {false, true}) {
            const Bytes x = activations(static_cast<size_t>(4 * channels), sparsity, 0);
            const uint8_t* pixels[4] = {x.data(), has_second ? x.data() + 2 * channels : nullptr,
                                        x.data() + channels, nullptr};
            std::vector<std::byte> record(static_cast<size_t>(quad_list_bytes(2 * channels)));
            const std::byte* end = kernel({pixels, 2, channels, visits, record.data()});
            report(name, end <= record.data() + record.size() && lists_hold(record.data(), pixels, channels));
          }
  }

  // As many as the lists of single pixels hold.
  void operator()(const char* name, CountEntriesFn kernel) {
    for (const double sparsity : kSparsities)
      for (const int64_t channels : kChannelCounts) {
        const Bytes x = activations(5 * 80, sparsity, 0);
        int64_t want = 0;
        for (int64_t pixel = 0; pixel < 5; ++pixel) {
          const uint8_t* pixels[2] = {x.data() + 80 * pixel, nullptr};
          std::vector<std::byte> record(static_cast<size_t>(quad_list_bytes(channels)));
          kernels_.u8_list_quads({pixels, 1, channels, 4, record.data()});
          want += read_list(record.data(), channels).entries[0];
        }
        report(name, kernel(x.data(), 5, channels, 80, 0) == want);
      }
  }

  void operator()(const char* name, WidenFn kernel) {
    for (const int64_t count : kChannelCounts)
      for (const uint8_t zero : kZeroPoints) {
        const Bytes x = activations(128, 0.5, zero);
        Shorts wide(128);
        kernel(x.data(), count, zero, wide.data());
        bool is_right = true;
        for (size_t i = 0; i < static_cast<size_t>(count); ++i) is_right = is_right && wide[i] == x[i] - zero;
        report(name, is_right);
      }
  }

  void operator()(const char* name, ExpandFn kernel) {
    for (const int64_t channels : kChannelCounts)
      for (const int64_t blocks : {1, 2, 4}) {
        const int64_t padded = (channels + 1) / 2 * 2, width = blocks * 16;
        const std::vector<int8_t> from = any_weights(channels);
        Shorts got(static_cast<size_t>(padded * width), 99), want(got);
        kernel({.channels = channels,
                .blocks = blocks,
                .from = from.data(),
                .to = reinterpret_cast<std::byte*>(got.data()),
                .block_stride = padded * 32});
        for (int64_t c = 0; c < padded; ++c)
          for (int64_t o = 0; o < width; ++o) {
            const int64_t product = o / 16 * padded * 16 + c / 2 * 2 * 16;
            want[static_cast<size_t>(product + o % 16 * 2 + c % 2)] =
                c < channels ? from[static_cast<size_t>(c * 64 + o)] : 0;
          }
        report(name, got == want);
      }
  }

  // Every quad is where its order says, every pair of an order's couples and narrow quads within 16 bits.
  void operator()(const char* name, ExpandOrderedFn kernel) {
    for (const int most : {128, 64, 32})
      for (const int64_t channels : kChannelCounts) {
        const std::vector<int8_t> from = clamped(any_weights(channels), most);
        const OrderedWeights got(kernel, from.data(), 1, channels);
        report(name, is_ordered(got.orders.data(), got.weights.data(), from, channels));
      }
  }

  // The operators' tests do.
  template <typename Function>
  void operator()(const char*, Function) {}

  int checks() const { return checks_; }
  int failures() const { return failures_; }

 private:
  std::vector<int8_t> any_weights(int64_t channels) {
    std::vector<int8_t> weights(static_cast<size_t>(channels * 64 + 64));  // kernels read beyond the last row
    for (int8_t& weight : weights)
      weight = static_cast<int8_t>(std::uniform_int_distribution(-128, 127)(engine_));
    return weights;
  }

  void run_pairs(const Case& layer, int64_t row_pixels, const RequantizeArgs& epilogue, QspconvFn kernel) {
    const int64_t pairs = layer.pixels / row_pixels * ((row_pixels + 1) / 2), stride = 64;
    const size_t bytes = static_cast<size_t>(quad_list_bytes(layer.channels));
    std::vector<std::byte> records(static_cast<size_t>(pairs * kTaps) * bytes);
    std::vector<const std::byte*> first_tap, other_taps;
    std::byte* record = records.data();
    for (int64_t p = 0; p<layer.pixels; p += p % row_pixels + 2> row_pixels ? 1 : 2) {
      const bool has_second = p % row_pixels + 1 < row_pixels;
      for (int64_t tap = 0; tap < kTaps; ++tap) {
        const auto at = [&](int64_t pixel) { return layer.at[static_cast<size_t>(pixel * kTaps + tap)]; };
        const uint8_t* pixels[2] = {at(p), has_second ? at(p + 1) : nullptr};
        (tap == 0 ? first_tap : other_taps).push_back(record);
        record = kernels_.u8_list_quads({pixels, 1, layer.channels, 4, record});
      }
    }
    Ints acc(static_cast<size_t>(pairs * 2 * stride), 12345), bias(static_cast<size_t>(stride), 0);
    std::copy(layer.bias.begin(), layer.bias.end(), bias.begin());
    QspconvArgs args{};
    args.pixels = layer.pixels, args.row_pixels = row_pixels, args.blocks = layer.outputs / 16;
    args.weights = reinterpret_cast<const std::byte*>(layer.weights.data());
    args.span_stride = layer.channels * 64;
    args.acc = acc.data(), args.acc_stride = stride, args.bias = bias.data();
    args.spans = 1, args.lists = first_tap.data(), args.starts = true;
    kernel(args);
    args.spans = kTaps - 1, args.lists = other_taps.data(), args.starts = false;
    args.weights += args.span_stride, args.epilogue = &epilogue;
    kernel(args);
  }

  // Whether the entries of a list add up to the values of its rows.
  static bool lists_hold(const std::byte* record, const uint8_t* const* pixels, int64_t channels) {
    const ListedRows found = read_list(record, 2 * channels);
    bool is_right = true;
    for (int64_t row = 0; row < 2 * channels; ++row)
      for (int pixel = 0; pixel < 2; ++pixel) {
        const uint8_t* x = pixels[row / channels * 2 + pixel];
        is_right = is_right && found.sums[pixel][static_cast<size_t>(row)] == (x ? x[row % channels] : 0);
      }
    return is_right;
  }

  template <typename RunCase>
  void for_each_case(const char* name, const RunCase& run_case) {
    const std::string text = name;
    const int64_t outputs = std::stoll(text.substr(text.rfind('x') + 1));
    int index = 0;
    for (const double sparsity : kSparsities)
      for (const int64_t pixels : kPixelCounts)
        for (const int64_t channels : kChannelCounts)
          for (const Fusion& fusion : kFusions) {
            if (sampler_.skips()) continue;
            Case layer = make_case(pixels, channels, outputs, sparsity, kZeroPoints[index++ % 4]);
            report(name, run_case(layer, fusion));
          }
  }

  Case make_case(int64_t pixels, int64_t channels, int64_t outputs, double sparsity, uint8_t zero) {
    Case layer{.pixels = pixels, .channels = channels, .outputs = outputs, .zero = zero};
    layer.x = activations(static_cast<size_t>(pixels * kTaps * channels + 64), sparsity, zero);
    layer.residual = activations(static_cast<size_t>(pixels * outputs), 0.5, 7);
    for (int64_t i = 0; i < pixels * kTaps; ++i) layer.at.push_back(layer.x.data() + i * channels);
    layer.weights = any_weights(kTaps * channels);
    for (int64_t i = 0; i < pixels * outputs; ++i) {
      layer.start.push_back(std::uniform_int_distribution(-100000, 100000)(engine_));
      if (i >= outputs) continue;
      layer.bias.push_back(layer.start.back());
      layer.multipliers.push_back(std::uniform_real_distribution(0.0f, 2e-3f)(engine_));
      layer.thresholds.push_back(i % 3 ? 0.0f : 17.3f);
      layer.zero_points.push_back(i % 5 == 4 ? std::numeric_limits<int16_t>::min() : 9);
    }
    return layer;
  }

  Bytes activations(size_t count, double sparsity, uint8_t zero) {
    Bytes x(count);
    for (uint8_t& value : x) {
      value = static_cast<uint8_t>(std::uniform_int_distribution(0, 255)(engine_));
      if (std::uniform_real_distribution()(engine_) < sparsity) value = zero;
    }
    return x;
  }

  template <typename Call>
  bool run(const Case& layer, const Fusion& fusion, const Call& call) {
    RequantizeArgs epilogue{.multipliers = layer.multipliers.data(), .zero_points = layer.zero_points.data()};
    if (fusion.residual) epilogue.residual = layer.residual.data();
    epilogue.residual_stride = layer.outputs, epilogue.residual_scale = 0.7f, epilogue.residual_zero = 7;
    epilogue.rounds_sum = fusion.rounds;
    epilogue.sum_scale = 1.3f, epilogue.sum_min = -9, epilogue.sum_max = 246;
    epilogue.thresholds = fusion.activation ? layer.thresholds.data() : nullptr;
    epilogue.max_value = fusion.activation ? 200.0f : 32767.0f;
    epilogue.y_stride = layer.outputs;

    Ints want = layer.start, got = layer.start;
    Bytes want_y(want.size()), got_y(want.size());
    if (fusion.bias)
      for (size_t i = 0; i < want.size(); ++i) want[i] = layer.bias[i % static_cast<size_t>(layer.outputs)];
    reference::add_products({layer.pixels, kTaps, layer.channels, layer.outputs, layer.at.data(), layer.zero,
                             layer.weights.data()},
                            want.data());
    epilogue.y = want_y.data();
    if (fusion.epilogue) reference::requantize(epilogue, want.data(), layer.pixels, layer.outputs);
    epilogue.y = got_y.data();
    call(got, fusion.epilogue ? &epilogue : nullptr);
    return fusion.epilogue ? got_y == want_y : got == want;
  }

  void report(const char* name, bool is_right) {
    ++checks_;
    if (is_right) return;
    ++failures_;
    if (failures_ < 20) std::printf("%s %s: mismatch in check %d\n", isa_name(isa_), name, checks_);
  }

  Isa isa_;
  const KernelTable& kernels_;
  std::mt19937 engine_{20261130};
  Sampler sampler_;
  int checks_ = 0, failures_ = 0;
};

}  // namespace
}  // namespace zeroskip

int main() {
  using namespace zeroskip;
  const int failures = testing::check_every_isa([](const KernelTable& table) {
    Checker checker(table.isa);
#define ZS_KERNEL(kind, input, weight, accumulator, output, rows, columns, isa, type, name) \
  if (table.name) checker(#name, table.name);
#include "kernels/list/qconv.inc"
#undef ZS_KERNEL
    return checker;
  });
  return failures ? 1 : 0;
}
