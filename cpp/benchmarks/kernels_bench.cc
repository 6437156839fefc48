// Times the kernels of convolutions and fully connected layers with operands in L1 or L2, as the operators
// call them. Prints one line of JSON per instruction set, kernel and sparsity:
//   kernels_bench [ISA or "all"] [part of a kernel's name] [seconds per measurement]
// "gflops" counts the dense computation's operations ("effective"), "executed_gflops" those on non-zeros.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "runtime/peak.h"
#include "tests/values.h"

namespace zeroskip::benchmark {
namespace {

using testing::Floats;

double seconds_now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

constexpr int64_t kPixels = 56, kChannels = 64, kDepth = 256;

class Bench {
 public:
  Bench(Isa isa, const KernelTable& table, std::string filter, double seconds)
      : isa_(isa),
        lanes_(table.lanes),
        filter_(std::move(filter)),
        seconds_(seconds),
        peak_(2e-6 * peak_macs_per_ms(isa, 1)) {}

  void operator()(const char* name, SpconvPointFn kernel) {
    const int64_t width = width_of(name);
    for_each_sparsity(name, [&](const Input& x) {
      SpconvPointArgs args{};
      args.pixels = kPixels, args.x = x.values.data(), args.x_stride = kChannels;
      args.mask = x.mask.data(), args.mask_stride = kChannels / 16, args.channels = ~uint64_t{0};
      const auto weights = weights_for(name, 2 * kChannels * kSlab);
      args.weights = weights.stored(), args.slab_stride = kChannels * kSlab;
      Floats acc(static_cast<size_t>(kPixels * width));
      args.acc = acc.data();
      report(name, x.sparsity, kPixels * kChannels * width, [&] { kernel(args); });
    });
  }

  void operator()(const char* name, SpconvRowPairFn kernel) {
    const int64_t width = width_of(name);
    for_each_sparsity(name, [&](const Input& x) {
      SpconvRowPairArgs args{};
      args.pixels = kPixels, args.x_stride = kChannels, args.channels = (uint64_t{1} << 48) - 1;
      const auto weights = weights_for(name, 3 * kChannels * kSlab);
      args.weights = weights.stored(), args.tap_stride = kChannels * kSlab;
      const int64_t acc_row = (kPixels + 2) * width;
      Floats acc(static_cast<size_t>(2 * acc_row));
      for (int64_t row = 0; row < 2; ++row)
        args.row[row] = {x.values.data() + row * kPixels * kChannels,
                         x.mask.data() + row * kPixels * kChannels / 16, kChannels / 16,
                         acc.data() + row * acc_row};
      report(name, x.sparsity, 2 * kPixels * 48 * 3 * width, [&] { kernel(args); });
    });
  }

  void operator()(const char* name, DconvFn kernel) {
    if (!wanted(name)) return;
    const int64_t width = width_of(name);
    const Floats x = random_.values(kDconvPixels * kDepth), bias(static_cast<size_t>(width));
    const auto weights = weights_for(name, kDepth * kSlab);
    Floats acc(static_cast<size_t>(kDconvPixels * width));
    std::vector<const float*> pixels;
    for (int64_t p = 0; p < kDconvPixels; ++p) pixels.push_back(x.data() + p * kDepth);
    const DconvArgs args{kDconvPixels, 1,          kDepth, pixels.data(), weights.floats().data(),
                         bias.data(),  acc.data(), width,  nullptr};
    report(name, 0.0, kDconvPixels * kDepth * width, [&] { kernel(args); });
  }

  void operator()(const char* name, RowAxpyFn kernel) {
    constexpr int64_t kOutputs = 256;
    for_each_sparsity(name, [&](const Input& x) {
      const auto weights = weights_for(name, kDepth * kOutputs);
      std::vector<int32_t> indices;
      Floats values, y(kOutputs);
      for (int32_t i = 0; i < kDepth; ++i)
        if (x.values[static_cast<size_t>(i)] != 0.0f)
          indices.push_back(i), values.push_back(x.values[static_cast<size_t>(i)]);
      const RowAxpyArgs args{static_cast<int64_t>(values.size()),
                             indices.data(),
                             values.data(),
                             weights.stored(),
                             kOutputs,
                             kOutputs / 16,
                             y.data()};
      report(name, x.sparsity, kDepth * kOutputs, [&] { kernel(args); });
    });
  }

  void operator()(const char* name, GemmFn kernel) {
    if (!wanted(name)) return;
    constexpr int64_t kRows = 96, kColumns = 64;
    const Floats a = random_.values(kRows * kDepth), b = random_.values(kDepth * kColumns);
    Floats c(kRows * kColumns);
    const GemmArgs args{kRows,    kDepth,   kColumns / 16, a.data(), kDepth,
                        b.data(), kColumns, c.data(),      kColumns};
    report(name, 0.0, kRows * kDepth * kColumns, [&] { kernel(args); });
  }

  void operator()(const char* name, WinogradGemmFn kernel) {
    if (!wanted(name)) return;
    constexpr int64_t kTiles = 24;
    const Floats v = random_.values(kTiles * kChannels), u = random_.values(kChannels * kSlab);
    Floats m(kTiles * kSlab);
    const WinogradGemmArgs args{kTiles, kChannels, v.data(), kChannels, u.data(), m.data(), kSlab, nullptr};
    report(name, 0.0, kTiles * kChannels * kSlab, [&] { kernel(args); });
  }

  // The middle row of an image; the general kernel does 3x3 at stride 1.
  void operator()(const char* name, DwconvFn kernel) {
    if (!wanted(name)) return;
    const std::string form = name;
    const int64_t side = form.ends_with("5s1") || form.ends_with("5s2") ? 5 : 3;
    const int64_t stride = form.ends_with("s2") ? 2 : 1, width = kPixels * stride;
    const Floats x = random_.values(side * width * kChannels),
                 weights = random_.values(side * side * kChannels);
    const Floats bias(kChannels);
    Floats y(kPixels * kChannels);
    DwconvArgs args{};
    args.x = x.data(), args.x_stride = kChannels, args.in_h = side, args.in_w = width;
    args.kernel_h = args.kernel_w = side, args.stride_w = stride, args.dilation_h = args.dilation_w = 1;
    args.pad_left = side / 2, args.weights = weights.data(), args.weight_stride = kChannels;
    args.bias = args.thresholds = bias.data(), args.max_value = 6.0f;
    args.pixels = kPixels, args.blocks = kChannels / 16, args.y = y.data(), args.y_stride = kChannels;
    report(name, 0.0, kPixels * kChannels * side * side, [&] { kernel(args); });
  }

  // Kernels that multiply-accumulate nothing.
  void operator()(const char*, WinogradInputFn) {}
  void operator()(const char*, WinogradOutputFn) {}
  void operator()(const char*, WinogradWeightFn) {}
  void operator()(const char*, ConvInitFn) {}
  void operator()(const char*, ConvEpilogueFn) {}
  void operator()(const char*, MaskPopcountFn) {}
  void operator()(const char*, NonzeroListFn) {}
  void operator()(const char*, PackRowsFn) {}

 private:
  struct Input {
    double sparsity;
    Floats values;
    std::vector<uint16_t> mask;
  };

  bool wanted(const std::string& name) const { return name.find(filter_) != std::string::npos; }
  static int64_t width_of(const std::string& name) { return std::stoi(name.substr(name.rfind('x') + 1)); }
  testing::StoredWeights weights_for(const char* name, size_t count) {
    return {random_.values(count), testing::storage_of(name), lanes_};
  }

  template <typename Measure>
  void for_each_sparsity(const char* name, const Measure& measure) {
    if (!wanted(name)) return;
    for (double sparsity : {0.0, 0.5, 0.8, 0.9}) {
      Input x{sparsity, random_.values(2 * kPixels * kChannels + 64, sparsity), {}};
      x.mask.resize(x.values.size() / 16 + 8);
      for (size_t i = 0; i < x.values.size(); ++i)
        if (x.values[i] != 0.0f) x.mask[i / 16] |= static_cast<uint16_t>(1 << i % 16);
      measure(x);
    }
  }

  // The best of several slices of the time: on a shared machine the others were disturbed.
  template <typename Call>
  void report(const char* name, double sparsity, int64_t macs, const Call& call) {
    double best = 0;
    const double end = seconds_now() + seconds_;
    do {
      constexpr int kCalls = 64;
      const double start = seconds_now();
      for (int i = 0; i < kCalls; ++i) call();
      best = std::max(best, kCalls * 2.0 * static_cast<double>(macs) / (seconds_now() - start) / 1e9);
    } while (seconds_now() < end);
    std::printf(
        "{\"isa\": \"%s\", \"kernel\": \"%s\", \"sparsity\": %.1f, \"gflops\": %.2f, "
        "\"executed_gflops\": %.2f, \"peak_gflops\": %.2f}\n",
        isa_name(isa_), name, sparsity, best, best * (1 - sparsity), peak_);
    std::fflush(stdout);
  }

  Isa isa_;
  int64_t lanes_;
  std::string filter_;
  double seconds_, peak_;
  testing::Random random_;
};

}  // namespace
}  // namespace zeroskip::benchmark

int main(int argc, char** argv) {
  using namespace zeroskip;
  const std::string wanted = argc > 1 ? argv[1] : "all", filter = argc > 2 ? argv[2] : "";
  const double seconds = argc > 3 ? std::atof(argv[3]) : 0.05;
  for (Isa isa : isas_supported()) {
    if (wanted != "all" && wanted != isa_name(isa)) continue;
    const KernelTable& table = own_kernels(isa);
    benchmark::Bench bench(isa, table, filter, seconds);
#define ZS_KERNEL(kind, input, weight, accumulator, output, rows, columns, isa, type, name) \
  if (table.name) bench(#name, table.name);
#include "kernels/list/dconv.inc"
#include "kernels/list/dwconv.inc"
#include "kernels/list/gemm.inc"
#include "kernels/list/spconv.inc"
#include "kernels/list/winograd.inc"
#undef ZS_KERNEL
  }
  return 0;
}
