// Every convolution microkernel of the lists, for every instruction set this CPU runs, against the scalar
// reference: tile edges, sparsity 0, .5, .9 and 1, panels of full and partial mask words, with and without
// fused bias and epilogue. Prints one line per instruction set and exits with 1 on the first mismatch of each
// kernel.
#include <cstdio>
#include <limits>
#include <string>
#include <vector>

#include "kernels/reference/conv.h"
#include "kernels/registry.h"
#include "tests/values.h"

namespace zeroskip {
namespace {

constexpr double kSparsities[] = {0.0, 0.5, 0.9, 1.0};
constexpr int64_t kPixelCounts[] = {0, 1, 2, 3, 5};    // around mr = 2
constexpr int kChannelCounts[] = {1, 16, 31, 48, 64};  // of one 64-bit mask word
constexpr int64_t kStride = 80;                        // between pixels: more than one panel's channels
constexpr int64_t kMaskStride = kStride / 16;
using namespace testing;

std::vector<uint16_t> mask_of(const Floats& x) {
  std::vector<uint16_t> mask(x.size() / 16 + 8);
  for (size_t i = 0; i < x.size(); ++i)
    if (x[i] != 0.0f) mask[i / 16] |= static_cast<uint16_t>(1 << i % 16);
  return mask;
}

// What a kernel writes: accumulators, or finished pixels with their mask.
struct Output {
  Floats acc, y;
  std::vector<uint16_t> mask;
  bool matches(const Output& want) const {
    return close(acc, want.acc) && close(y, want.y) && mask == want.mask;
  }
};

struct Fusion {
  bool bias, epilogue, residual, activation;
};
constexpr Fusion kFusions[] = {{false, false, false, false},
                               {true, false, false, false},
                               {false, true, false, true},
                               {true, true, true, true},
                               {true, true, true, false}};

// Thresholds far from every value, so that rounding cannot flip a comparison: x > 1e3 and x > -1e3 never tie.
Floats thresholds_of(int64_t width) {
  Floats thresholds(static_cast<size_t>(width));
  for (size_t c = 0; c < thresholds.size(); ++c) thresholds[c] = c % 3 == 0 ? 1e3f : -1e3f;
  return thresholds;
}

class Checker {
 public:
  Checker(Isa isa, int64_t lanes) : isa_(isa), lanes_(lanes) {}

  void operator()(const char* name, SpconvPointFn kernel) {
    const int blocks = blocks_of(name);
    for (double sparsity : kSparsities)
      for (int64_t pixels : kPixelCounts)
        for (int channels : kChannelCounts)
          for (const Fusion& fusion : kFusions)
            check_point(name, kernel, blocks, sparsity, pixels, channels, fusion);
  }

  void operator()(const char* name, SpconvRowPairFn kernel) {
    const int blocks = blocks_of(name);
    for (double sparsity : kSparsities)
      for (int64_t pixels : {int64_t{1}, int64_t{2}, int64_t{3}, int64_t{7}})
        for (int channels : kChannelCounts)
          for (const Fusion& fusion : kFusions)
            check_rows(name, kernel, blocks, sparsity, pixels, channels, fusion);
  }

  void operator()(const char* name, DconvFn kernel) {
    const int blocks = blocks_of(name);
    for (int64_t count = 0; count <= kDconvPixels; ++count)
      for (int64_t taps : {int64_t{1}, int64_t{3}})
        for (int64_t channels : {int64_t{1}, int64_t{3}, int64_t{16}, int64_t{33}})
          for (bool from_bias : {false, true})
            check_dense(name, kernel, blocks, count, taps, channels, from_bias);
  }

  // Tested through the convolution operator.
  void operator()(const char*, ConvInitFn) {}
  void operator()(const char*, ConvEpilogueFn) {}
  void operator()(const char*, MaskPopcountFn) {}

  int checks() const { return checks_; }
  int failures() const { return failures_; }

 private:
  static int blocks_of(const std::string& name) { return std::stoi(name.substr(name.rfind('x') + 1)) / 16; }

  void report(const char* name, bool ok, double sparsity, int64_t pixels, int64_t channels) {
    ++checks_;
    if (ok) return;
    ++failures_;
    std::printf("MISMATCH %s__%s sparsity %.1f pixels %ld channels %ld\n", name, isa_name(isa_), sparsity,
                static_cast<long>(pixels), static_cast<long>(channels));
  }

  void check_point(const char* name, SpconvPointFn kernel, int blocks, double sparsity, int64_t pixels,
                   int channels, const Fusion& fusion) {
    if (sampler_.skips()) return;
    const int64_t width = blocks * 16, slab_stride = 64 * kSlab;
    const Floats x = random_.values(static_cast<size_t>(pixels * kStride + 64), sparsity);
    const std::vector<uint16_t> mask = mask_of(x);
    const StoredWeights weights(random_.values(static_cast<size_t>(2 * slab_stride + 64)), storage_of(name),
                                lanes_);
    const Floats bias = random_.values(128), residual = random_.values(static_cast<size_t>(pixels * width));
    const Floats thresholds = thresholds_of(width);
    const Floats start = random_.values(static_cast<size_t>(pixels * width));
    const auto run = [&](const auto& call, const std::byte* panel) {
      Output out{start, Floats(start.size()), std::vector<uint16_t>(static_cast<size_t>(pixels * blocks))};
      ConvEpilogueArgs epilogue{};
      fill(epilogue, fusion, residual, thresholds, width, blocks);
      epilogue.y = out.y.data(), epilogue.mask = out.mask.data();
      SpconvPointArgs args{};
      args.pixels = pixels, args.x = x.data(), args.x_stride = kStride;
      args.mask = mask.data(), args.mask_stride = kMaskStride;
      args.channels = channels == 64 ? ~uint64_t{0} : (uint64_t{1} << channels) - 1;
      args.weights = panel, args.slab_stride = slab_stride, args.acc = out.acc.data();
      args.next_weights = panel, args.next_rows = 7;
      args.bias = fusion.bias ? bias.data() : nullptr;
      args.epilogue = fusion.epilogue ? &epilogue : nullptr;
      call(args);
      return out;
    };
    const Output want =
        run([&](const SpconvPointArgs& args) { reference::spconv_point(args, blocks); }, weights.meaning());
    report(name, run(kernel, weights.stored()).matches(want), sparsity, pixels, channels);
  }

  void check_rows(const char* name, SpconvRowPairFn kernel, int blocks, double sparsity, int64_t pixels,
                  int channels, const Fusion& fusion) {
    if (sampler_.skips()) return;
    const int64_t width = blocks * 16, tap_stride = 64 * kSlab, row = pixels * kStride;
    const Floats x = random_.values(static_cast<size_t>(2 * row + 64), sparsity);
    const std::vector<uint16_t> mask = mask_of(x);
    const uint16_t empty[4] = {};
    const StoredWeights weights(random_.values(static_cast<size_t>(3 * tap_stride + 64)), storage_of(name),
                                lanes_);
    const Floats bias = random_.values(128), residual = random_.values(static_cast<size_t>(pixels * width));
    const Floats thresholds = thresholds_of(width);
    const int64_t acc_row = (pixels + 2) * width;
    const Floats start = random_.values(static_cast<size_t>(2 * acc_row));
    const auto run = [&](const auto& call, const std::byte* panel) {
      Output out{start, Floats(static_cast<size_t>(pixels * width)),
                 std::vector<uint16_t>(static_cast<size_t>(pixels * blocks))};
      ConvEpilogueArgs epilogue{};  // of row 0 only: row 1 always stores
      fill(epilogue, fusion, residual, thresholds, width, blocks);
      epilogue.y = out.y.data(), epilogue.mask = out.mask.data();
      SpconvRowPairArgs args{};
      args.pixels = pixels, args.x_stride = kStride;
      args.row[0] = {x.data(), mask.data(), kMaskStride, out.acc.data()};
      args.row[1] = {x.data() + row, mask.data() + row / 16, kMaskStride, out.acc.data() + acc_row};
      if (pixels == 3) args.row[1].mask = empty, args.row[1].mask_stride = 0;
      args.channels = channels == 64 ? ~uint64_t{0} : (uint64_t{1} << channels) - 1;
      args.weights = panel, args.tap_stride = tap_stride;
      args.bias = fusion.bias ? bias.data() : nullptr;
      args.epilogue[0] = fusion.epilogue ? &epilogue : nullptr;
      args.first_output = 1, args.outputs = pixels;
      call(args);
      if (fusion.epilogue)
        std::fill_n(out.acc.begin(), acc_row, 0.0f);  // contents of a finished row are unspecified
      return out;
    };
    const Output want = run([&](const SpconvRowPairArgs& args) { reference::spconv_row_pair(args, blocks); },
                            weights.meaning());
    report(name, run(kernel, weights.stored()).matches(want), sparsity, pixels, channels);
  }

  void check_dense(const char* name, DconvFn kernel, int blocks, int64_t count, int64_t taps,
                   int64_t channels, bool from_bias) {
    if (sampler_.skips()) return;
    const int64_t width = blocks * 16;
    const Floats x = random_.values(static_cast<size_t>(taps * kDconvPixels * channels + 64));
    const Floats weights = random_.values(static_cast<size_t>(taps * channels * kSlab + 64));
    const Floats bias = random_.values(128),
                 start = random_.values(static_cast<size_t>(kDconvPixels * width));
    std::vector<const float*> pixels;
    for (int64_t i = 0; i < taps * kDconvPixels; ++i) pixels.push_back(x.data() + i * channels);
    const auto run = [&](const auto& call) {
      Output out{start, {}, {}};
      call(DconvArgs{count, taps, channels, pixels.data(), weights.data(), from_bias ? bias.data() : nullptr,
                     out.acc.data(), width, nullptr});
      return out;
    };
    const Output want = run([&](const DconvArgs& args) { reference::dconv(args, blocks); });
    report(name, run(kernel).matches(want), 0.0, count, channels);
  }

  static void fill(ConvEpilogueArgs& epilogue, const Fusion& fusion, const Floats& residual,
                   const Floats& thresholds, int64_t width, int64_t blocks) {
    epilogue.residual = fusion.residual ? residual.data() : nullptr;
    epilogue.residual_stride = width;
    epilogue.thresholds = fusion.activation ? thresholds.data() : nullptr;
    epilogue.max_value = fusion.residual ? 2.5f : std::numeric_limits<float>::infinity();
    epilogue.y_stride = width;
    epilogue.mask_stride = blocks;
  }

  Isa isa_;
  int64_t lanes_;
  Random random_;
  Sampler sampler_;
  int checks_ = 0, failures_ = 0;
};

}  // namespace
}  // namespace zeroskip

int main() {
  using namespace zeroskip;
  const int failures = testing::check_every_isa([](const KernelTable& table) {
    Checker checker(table.isa, table.lanes);
#define ZS_KERNEL(kind, input, weight, accumulator, output, rows, columns, isa, type, name) \
  if (table.name) checker(#name, table.name);
#include "kernels/list/dconv.inc"
#include "kernels/list/spconv.inc"
#undef ZS_KERNEL
    return checker;
  });
  return failures ? 1 : 0;
}
