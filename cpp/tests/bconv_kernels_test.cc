// Every kernel of bf16 convolutions, for every instruction set this CPU runs, against the scalar reference: tile edges,
// sparsity 0, .5, .9 and 1, odd channel counts, every form of epilogue. Conversions and lists bit for bit. Prints one line
// per instruction set and exits with 1 on a mismatch.
#include <bit>
#include <cmath>
#include <cstdio>
#include <limits>
#include <string>
#include <vector>

#include "kernels/reference/bconv.h"
#include "kernels/registry.h"
#include "tests/values.h"

namespace zeroskip {
namespace {

using namespace testing;
using reference::round_to_bf16;
using reference::widen;

constexpr double kSparsities[] = {0.0, 0.5, 0.9, 1.0};
constexpr int64_t kPixelCounts[] = {1, 2, 3, 5, 6, 7, 11, 12};
constexpr int64_t kChannelCounts[] = {1, 2, 7, 8, 15, 16, 31, 64};
constexpr int64_t kTaps = 3;

struct Fusion {
  bool bias, epilogue, residual, activation, is_float;
  int64_t missing;  // outputs that are not stored
};
constexpr Fusion kFusions[] = {{true, true, false, false, false, 0}, {true, true, true, true, false, 0},
                               {true, true, false, true, true, 0},   {true, true, false, true, true, 5},
                               {true, true, true, false, false, 17}, {false, false, false, false, false, 0},
                               {true, false, false, false, false, 0}};

using Halves = std::vector<Bf16>;
using Doubles = std::vector<double>;

class Checker {
 public:
  explicit Checker(Isa isa) : isa_(isa), kernels_(kernel_table(isa)) {}

  void operator()(const char* name, BdconvFn kernel) {
    for_each_case(name, [&](const Case& layer, const Fusion& fusion) {
      if (!fusion.epilogue) return true;  // this kernel always ends in one
      return run(layer, fusion, [&](Floats&, const BconvEpilogueArgs* epilogue) {
        const Halves weights = pack(layer);
        Halves x(static_cast<size_t>(layer.pixels * kTaps * even(layer)) + 64);
        std::vector<const Bf16*> pixels(kTaps * kBconvPixels, x.data());
        for (int64_t p = 0; p < layer.pixels; ++p)
          for (int64_t tap = 0; tap < kTaps; ++tap) {
            Bf16* to = x.data() + (p * kTaps + tap) * even(layer);
            std::copy_n(layer.at[static_cast<size_t>(p * kTaps + tap)], layer.channels, to);
            pixels[static_cast<size_t>(tap * kBconvPixels + p)] = to;
          }
        kernel({.count = layer.pixels,
                .taps = kTaps,
                .channels = even(layer),
                .pixels = pixels.data(),
                .weights = weights.data(),
                .bias = layer.bias.data(),
                .epilogue = epilogue});
      });
    });
  }

  void operator()(const char* name, BspconvFn kernel) {
    for_each_case(name, [&](const Case& layer, const Fusion& fusion) {
      return run(layer, fusion, [&](Floats& acc, const BconvEpilogueArgs* epilogue) {
        const Halves weights = pack(layer);
        const int64_t bytes = pair_record_bytes(layer.channels), pairs = (layer.pixels + 1) / 2;
        std::vector<std::byte> records(static_cast<size_t>(pairs * kTaps * bytes));
        std::vector<const std::byte*> lists;
        for (int64_t pair = 0; pair < pairs; ++pair)
          for (int64_t tap = 0; tap < kTaps; ++tap) {
            std::byte* record = records.data() + (pair * kTaps + tap) * bytes;
            const bool has_second = 2 * pair + 1 < layer.pixels;
            const auto first = static_cast<size_t>(2 * pair * kTaps + tap);
            kernels_.bf16_list_pair({.first = layer.at[first],
                                     .second = has_second ? layer.at[first + kTaps] : nullptr,
                                     .channels = layer.channels,
                                     .record = record});
            lists.push_back(record);
          }
        kernel({.pixels = layer.pixels,
                .spans = kTaps,
                .lists = lists.data(),
                .weights = weights.data(),
                .span_stride = even(layer) * 64,
                .bias = fusion.bias ? layer.bias.data() : nullptr,
                .acc = acc.data(),
                .acc_stride = layer.outputs,
                .epilogue = epilogue});
      });
    });
  }

  void operator()(const char* name, ListPairFn kernel) {
    for (const double sparsity : kSparsities)
      for (const int64_t channels : {1, 7, 8, 31, 64, 255, 256})
        for (const int absent : {0, 1, 2, 3}) {
          const Halves x = activations(static_cast<size_t>(channels), sparsity);
          const Halves y = activations(static_cast<size_t>(channels), sparsity);
          std::vector<std::byte> record(static_cast<size_t>(pair_record_bytes(channels)));
          kernel({.first = absent & 1 ? nullptr : x.data(),
                  .second = absent & 2 ? nullptr : y.data(),
                  .channels = channels,
                  .record = record.data()});
          report(name, is_right(record.data(), absent & 1 ? Halves(x.size()) : x,
                                absent & 2 ? Halves(y.size()) : y));
        }
  }

  void operator()(const char* name, CountBf16Fn kernel) {
    for (const double sparsity : kSparsities)
      for (const int64_t channels : kChannelCounts) {
        Halves x = activations(5 * 80, sparsity);
        x[0] = {0x8000}, x[80] = {0x7fc0};  // -0 and NaN
        int64_t want = 0;
        for (int64_t i = 0; i < 5 * 80; ++i)
          want += i % 80 < channels && (x[static_cast<size_t>(i)].bits & 0x7fff) != 0;
        report(name, kernel(x.data(), 5, channels, 80) == want);
      }
  }

  void operator()(const char* name, RoundFn kernel) {
    Floats x;
    for (uint32_t upper = 0; upper < 0x10000; upper += 37)
      for (const uint32_t lower : {0x0u, 0x1u, 0x7fffu, 0x8000u, 0x8001u, 0xffffu})
        x.push_back(std::bit_cast<float>(upper << 16 | lower));
    Halves y(x.size() + 3, Bf16{77});
    const auto count = static_cast<int64_t>(x.size());
    kernel({.pixels = 1, .channels = count, .padded = count + 2}, x.data(), y.data());
    for (size_t i = 0; i < x.size(); ++i) report(name, y[i].bits == round_to_bf16(x[i]).bits);
    report(name, y[x.size()].bits == 0 && y[x.size() + 1].bits == 0 && y[x.size() + 2].bits == 77);
  }

  void operator()(const char* name, ExtendFn kernel) {
    Halves x;
    for (uint32_t bits = 0; bits < 0x10000; bits += 11) x.push_back({static_cast<uint16_t>(bits)});
    Floats y(x.size() + 2, 77.0f);
    const auto count = static_cast<int64_t>(x.size());
    kernel({.pixels = 1, .channels = count, .padded = count + 1}, x.data(), y.data());
    for (size_t i = 0; i < x.size(); ++i)
      report(name, std::bit_cast<uint32_t>(y[i]) == std::bit_cast<uint32_t>(widen(x[i])));
    report(name, y[x.size()] == 0.0f && y[x.size() + 1] == 77.0f);
  }

  int checks() const { return checks_; }
  int failures() const { return failures_; }

 private:
  struct Case {
    int64_t pixels, channels, outputs;
    Halves x, residual;
    std::vector<const Bf16*> at;  // [pixel][tap]
    Halves weights;               // [tap][channel][outputs]
    Floats bias, start, thresholds;
  };

  static int64_t even(const Case& layer) { return layer.channels + layer.channels % 2; }

  // Rows of a slab.
  Halves pack(const Case& layer) const {
    Halves packed(static_cast<size_t>((kTaps * even(layer) + 1) * 64));
    for (int64_t tap = 0; tap < kTaps; ++tap)
      for (int64_t c = 0; c < layer.channels; ++c)
        for (int64_t o = 0; o < layer.outputs; ++o)
          packed[static_cast<size_t>((tap * even(layer) + c) * 64 + bf16_position(o, kernels_.lanes))] =
              layer.weights[static_cast<size_t>((tap * layer.channels + c) * layer.outputs + o)];
    return packed;
  }

  template <typename RunCase>
  void for_each_case(const char* name, const RunCase& run_case) {
    const std::string text = name;
    const int64_t outputs = std::stoll(text.substr(text.rfind('x') + 1));
    for (const double sparsity : kSparsities)
      for (const int64_t pixels : kPixelCounts)
        for (const int64_t channels : kChannelCounts)
          for (const Fusion& fusion : kFusions) {
            if (sampler_.skips()) continue;
            report(name, run_case(make_case(pixels, channels, outputs, sparsity), fusion));
          }
  }

  Case make_case(int64_t pixels, int64_t channels, int64_t outputs, double sparsity) {
    Case layer{.pixels = pixels, .channels = channels, .outputs = outputs};
    layer.x = activations(static_cast<size_t>(pixels * kTaps * channels), sparsity);
    layer.residual = activations(static_cast<size_t>(pixels * outputs + 64), 0.5);
    for (int64_t i = 0; i < pixels * kTaps; ++i) layer.at.push_back(layer.x.data() + i * channels);
    layer.weights = activations(static_cast<size_t>(kTaps * channels * outputs), 0.0);
    layer.start = random_.values(static_cast<size_t>((pixels + 1) * outputs));
    layer.bias = random_.values(static_cast<size_t>(outputs));
    layer.thresholds = random_.values(static_cast<size_t>(outputs));
    for (float& threshold : layer.thresholds) threshold = std::fabs(threshold);
    return layer;
  }

  Halves activations(size_t count, double sparsity) {
    Halves x;
    for (const float value : random_.values(count, sparsity)) x.push_back(round_to_bf16(value));
    return x;
  }

  template <typename Call>
  bool run(const Case& layer, const Fusion& fusion, const Call& call) {
    const auto outputs = static_cast<size_t>(layer.outputs), count = layer.start.size();
    BconvEpilogueArgs epilogue{.outputs = layer.outputs - fusion.missing};
    if (fusion.residual) epilogue.residual = layer.residual.data();
    epilogue.residual_stride = layer.outputs, epilogue.y_stride = layer.outputs;
    if (fusion.activation) epilogue.thresholds = layer.thresholds.data();
    epilogue.max_value = 6.0f;
    Halves y(count, Bf16{0x4242});
    Floats float_y(count, 77.0f), acc = layer.start;
    if (fusion.is_float)
      epilogue.float_y = float_y.data();
    else
      epilogue.y = y.data();

    Doubles want, magnitudes;
    for (size_t i = 0; i < count; ++i) {
      want.push_back(fusion.bias ? layer.bias[i % outputs] : layer.start[i]);
      magnitudes.push_back(std::fabs(want.back()));
    }
    reference::add_products(
        {layer.pixels, kTaps, layer.channels, layer.outputs, layer.at.data(), layer.weights.data()},
        want.data(), magnitudes.data());
    call(acc, fusion.epilogue ? &epilogue : nullptr);
    for (int64_t p = 0; p < layer.pixels; ++p)
      for (int64_t o = 0; o < layer.outputs; ++o) {
        const auto i = static_cast<size_t>(p * layer.outputs + o);
        const double slack = kTolerance * (1.0 + magnitudes[i]);
        if (!fusion.epilogue) {
          if (!(std::fabs(acc[i] - want[i]) <= slack)) return false;
          continue;
        }
        if (o >= epilogue.outputs) {  // nothing is written there
          if (y[i].bits != 0x4242 || float_y[i] != 77.0f) return false;
          continue;
        }
        if (!is_close(epilogue, fusion.is_float ? float_y[i] : widen(y[i]), want[i], slack, p, o))
          return false;
      }
    return true;
  }

  // Whether y is what a sum within `slack` of the right one becomes.
  static bool is_close(const BconvEpilogueArgs& epilogue, float y, double sum, double slack, int64_t p,
                       int64_t o) {
    const float low = reference::finish(epilogue, static_cast<float>(sum - slack), p, o);
    const float high = reference::finish(epilogue, static_cast<float>(sum + slack), p, o);
    if (epilogue.float_y) return y >= low && y <= high;
    return y >= widen(round_to_bf16(low)) && y <= widen(round_to_bf16(high));
  }

  static bool is_right(const std::byte* record, const Halves& x, const Halves& y) {
    const auto* header = reinterpret_cast<const PairHeader*>(record);
    const auto* next = reinterpret_cast<const uint16_t*>(header + 1);
    const auto is_zero = [](Bf16 value) { return (value.bits & 0x7fff) == 0; };
    for (const int part : {3, 1, 2}) {  // bit 0: the first has it, bit 1: the second
      std::vector<uint16_t> offsets, first, second;
      for (size_t c = 0; c < x.size(); ++c) {
        if ((is_zero(x[c]) ? 0 : 1) + (is_zero(y[c]) ? 0 : 2) != part) continue;
        offsets.push_back(static_cast<uint16_t>(c * 128)), first.push_back(x[c].bits),
            second.push_back(y[c].bits);
      }
      const int32_t steps = part == 3 ? header->both : part == 1 ? header->first : header->second;
      if (steps != static_cast<int32_t>(offsets.size() + 1) / 2) return false;
      std::vector<uint16_t> want;
      for (auto* values : {&offsets, &first, &second}) {
        if ((values == &first && part == 2) || (values == &second && part == 1)) continue;
        values->resize(static_cast<size_t>(2 * steps));
        want.insert(want.end(), values->begin(), values->end());
      }
      if (!std::equal(want.begin(), want.end(), next)) return false;
      next += want.size();
    }
    return true;
  }

  void report(const char* name, bool is_right) {
    ++checks_;
    if (is_right) return;
    ++failures_;
    if (failures_ < 20) std::printf("%s %s: mismatch in check %d\n", isa_name(isa_), name, checks_);
  }

  Isa isa_;
  const KernelTable& kernels_;
  Random random_;
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
#include "kernels/list/bconv.inc"
#undef ZS_KERNEL
    return checker;
  });
  return failures ? 1 : 0;
}
