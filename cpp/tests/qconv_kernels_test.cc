// Every kernel of u8 convolutions, for every instruction set this CPU runs, byte for byte against the scalar
// reference: tile edges, sparsity 0, .5, .9 and 1, odd channel counts, zero points, every form of epilogue. Prints
// one line per instruction set and exits with 1 on a mismatch.
#include <algorithm>
#include <cstdio>
#include <limits>
#include <string>
#include <vector>

#include "kernels/reference/qconv.h"
#include "kernels/registry.h"
#include "tests/values.h"

namespace zeroskip {
namespace {

using namespace testing;

constexpr double kSparsities[] = {0.0, 0.5, 0.9, 1.0};
constexpr int64_t kPixelCounts[] = {1, 2, 3, 5, 6, 7, 11, 12};
constexpr int64_t kChannelCounts[] = {1, 2, 7, 8, 15, 16, 31, 64};
constexpr uint8_t kZeroPoints[] = {0, 1, 128, 255};
constexpr int64_t kTaps = 3;

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
 public:
  explicit Checker(Isa isa) : isa_(isa), kernels_(kernel_table(isa)) {}

  void operator()(const char* name, QdconvFn kernel) {
    for_each_case(name, [&](Case& layer, const Fusion& fusion) {
      return run(layer, fusion, [&](Ints& acc, const RequantizeArgs* epilogue) {
        const int64_t even = layer.channels + layer.channels % 2;
        Shorts wide(layer.x.size() * 2 + 64), weights(static_cast<size_t>(kTaps * even * 64));
        std::vector<const int16_t*> pixels(kTaps * kQconvPixels, wide.data());
        int16_t* next = wide.data();
        for (int64_t tap = 0; tap < kTaps; ++tap) {
          for (int64_t p = 0; p < layer.pixels; ++p, next += even) {
            kernels_.u8_widen(layer.at[static_cast<size_t>(p * kTaps + tap)], even, layer.zero, next);
            pixels[static_cast<size_t>(tap * kQconvPixels + p)] = next;
          }
          kernels_.s8_expand_pairs({.channels = layer.channels,
                                    .blocks = layer.outputs / 16,
                                    .from = layer.weights.data() + tap * layer.channels * 64,
                                    .to = weights.data() + tap * even * 16,
                                    .block_stride = kTaps * even * 16});
        }
        kernel({.count = layer.pixels,
                .taps = kTaps,
                .channels = even,
                .pixels = pixels.data(),
                .weights = weights.data(),
                .bias = fusion.bias ? layer.bias.data() : nullptr,
                .acc = acc.data(),
                .acc_stride = layer.outputs,
                .epilogue = epilogue});
      });
    });
  }

  void operator()(const char* name, QspconvFn kernel) {
    for_each_case(name, [&](Case& layer, const Fusion& fusion) {
      return run(layer, fusion, [&](Ints& acc, const RequantizeArgs* epilogue) {
        const bool is_expanded = std::string(name).find("_qspconv_") != std::string::npos;
        const int64_t bytes = span_record_bytes(layer.channels), capacity = (bytes - 8) / 4;
        std::vector<std::byte> records(layer.at.size() * static_cast<size_t>(bytes));
        std::vector<const std::byte*> lists;
        for (size_t i = 0; i < layer.at.size(); ++i) {
          std::byte* record = records.data() + i * static_cast<size_t>(bytes);
          kernels_.u8_list_span({.x = layer.at[i],
                                 .channels = layer.channels,
                                 .capacity = capacity,
                                 .zero_point = layer.zero,
                                 .row_bytes = is_expanded ? layer.outputs * 2 : kSlabRowBytes,
                                 .record = record});
          lists.push_back(record);
        }
        Shorts weights(static_cast<size_t>(kTaps * layer.channels * layer.outputs + 64));
        const auto* slab = reinterpret_cast<const std::byte*>(layer.weights.data());
        const int64_t row_bytes = is_expanded ? layer.outputs * 2 : kSlabRowBytes;
        kernels_.s8_expand_rows({.channels = kTaps * layer.channels,
                                 .blocks = layer.outputs / 16,
                                 .from = layer.weights.data(),
                                 .to = weights.data(),
                                 .block_stride = 0});
        kernel({.pixels = layer.pixels,
                .spans = kTaps,
                .lists = lists.data(),
                .capacity = capacity,
                .weights = is_expanded ? reinterpret_cast<const std::byte*>(weights.data()) : slab,
                .span_stride = layer.channels * row_bytes,
                .bias = fusion.bias ? layer.bias.data() : nullptr,
                .acc = acc.data(),
                .acc_stride = layer.outputs,
                .epilogue = epilogue});
      });
    });
  }

  void operator()(const char* name, CountNonzeroFn kernel) {
    for (const double sparsity : kSparsities)
      for (const int64_t channels : kChannelCounts)
        for (const uint8_t zero : kZeroPoints) {
          const Bytes x = activations(5 * 80, sparsity, zero);
          int64_t want = 0;
          for (int64_t i = 0; i < 5 * 80; ++i) want += i % 80 < channels && x[static_cast<size_t>(i)] != zero;
          report(name, kernel(x.data(), 5, channels, 80, zero) == want);
        }
  }

  void operator()(const char* name, ListSpanFn kernel) {
    for (const double sparsity : kSparsities)
      for (const int64_t channels : kChannelCounts)
        for (const uint8_t zero : kZeroPoints) {
          const Bytes x = activations(static_cast<size_t>(channels), sparsity, zero);
          const int64_t bytes = span_record_bytes(channels), capacity = (bytes - 8) / 4;
          std::vector<std::byte> record(static_cast<size_t>(bytes));
          kernel({.x = x.data(),
                  .channels = channels,
                  .capacity = capacity,
                  .zero_point = zero,
                  .row_bytes = 64,
                  .record = record.data()});
          const auto* values = reinterpret_cast<const int16_t*>(record.data() + sizeof(SpanHeader));
          const auto* offsets = reinterpret_cast<const uint16_t*>(values + capacity);
          int64_t next = 0;
          bool is_right = true;
          for (int64_t c = 0; c < channels; ++c) {
            if (x[static_cast<size_t>(c)] == zero) continue;
            is_right = is_right && values[next] == x[static_cast<size_t>(c)] - zero && offsets[next] == c * 8;
            ++next;
          }
          if (next % 2 == 1) is_right = is_right && values[next] == 0 && offsets[next] == 0;
          const int64_t steps = reinterpret_cast<const SpanHeader*>(record.data())->steps;
          report(name, is_right && steps == (next + 1) / 2);
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

  // Pairs exactly; of rows, whose order an instruction set chooses, that each holds its values.
  void operator()(const char* name, ExpandFn kernel) {
    const bool is_pairs = std::string(name).ends_with("pairs");
    for (const int64_t channels : kChannelCounts)
      for (const int64_t blocks : {2, 4}) {
        const int64_t even = channels + channels % 2, width = blocks * 16;
        std::vector<int8_t> from(static_cast<size_t>(channels * 64 + 64));
        for (int8_t& value : from)
          value = static_cast<int8_t>(std::uniform_int_distribution(-128, 127)(engine_));
        Shorts got(static_cast<size_t>(even * width), 99), want(got);
        kernel({.channels = channels,
                .blocks = blocks,
                .from = from.data(),
                .to = got.data(),
                .block_stride = even * 16});
        for (int64_t c = 0; c < (is_pairs ? even : channels); ++c)
          for (int64_t o = 0; o < width; ++o) {
            const int64_t pair = o / 16 * even * 16 + c / 2 * 32 + o % 16 * 2 + c % 2;
            want[static_cast<size_t>(is_pairs ? pair : c * width + o)] =
                c < channels ? from[static_cast<size_t>(c * 64 + o)] : 0;
          }
        for (int64_t c = 0; !is_pairs && c < channels; ++c)
          for (Shorts* rows : {&got, &want})
            std::sort(rows->begin() + c * width, rows->begin() + (c + 1) * width);
        report(name, got == want);
      }
  }

  // The operators' tests do.
  template <typename Function>
  void operator()(const char*, Function) {}

  int checks() const { return checks_; }
  int failures() const { return failures_; }

 private:
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
    for (int64_t i = 0; i < kTaps * channels * 64 + 64; ++i)  // kernels may read beyond the last row
      layer.weights.push_back(static_cast<int8_t>(std::uniform_int_distribution(-128, 127)(engine_)));
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
  int failures = 0;
  for (Isa isa : isas_supported()) {
    const KernelTable& table = kernel_table(isa);
    Checker checker(isa);
#define ZS_KERNEL(kind, input, weight, accumulator, output, rows, columns, isa, type, name) \
  if (table.name) checker(#name, table.name);
#include "kernels/list/qconv.inc"
#undef ZS_KERNEL
    std::printf("%s: %d checks, %d failures\n", isa_name(isa), checker.checks(), checker.failures());
    failures += checker.failures();
  }
  return failures ? 1 : 0;
}
