// Every Winograd kernel of the list, for every instruction set this CPU runs, against the scalar reference:
// windows and tiles cut by each edge of the image, channel counts around the vectors, row counts around the
// register tile, with and without residual, activation and mask. And the identity itself: the four kernels
// together convolve. Prints one line per instruction set and exits with 1 after any mismatch.
#include <cmath>
#include <cstdio>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "kernels/reference/winograd.h"
#include "kernels/registry.h"
#include "tests/values.h"

namespace zeroskip {
namespace {

constexpr int kIn = kWinogradInput;
constexpr float kTolerance = 2e-5f;  // of the largest value

using Floats = std::vector<float>;

class Random {
 public:
  Floats values(int64_t count) {
    Floats result(static_cast<size_t>(count));
    for (float& value : result) value = static_cast<float>(normal_(engine_));
    return result;
  }

 private:
  std::mt19937 engine_{20260101};
  std::normal_distribution<double> normal_;
};

bool close(const Floats& got, const Floats& want) {
  float largest = 1.0f;
  for (const float value : want) largest = std::max(largest, std::fabs(value));
  for (size_t i = 0; i < got.size(); ++i)
    if (!(std::fabs(got[i] - want[i]) <= kTolerance * largest)) return false;
  return true;
}

// A form of the transforms: those of f32_winograd4_* make 4x4 outputs of 3x3 taps, f32_winograd3_* 3x3 of
// 4x4.
struct Form {
  int outputs;
  WinogradOutputFn output_reference;
  WinogradWeightFn weight_reference;
  int taps() const { return winograd_taps(outputs); }
};
constexpr Form kForms[] = {{3, reference::winograd_output<3>, reference::winograd_weights<4>},
                           {4, reference::winograd_output<4>, reference::winograd_weights<3>}};

const Form& form_of(const std::string& kernel) { return kForms[kernel.starts_with("f32_winograd4") ? 1 : 0]; }

class Checker {
 public:
  explicit Checker(Isa isa) : isa_(isa) {}

  void operator()(const char* name, WinogradInputFn kernel) {
    for (int64_t blocks : {1, 3})
      for (int64_t height : {1, 4, 6, 9})
        for (int64_t width : {1, 5, 7, 12})
          for (int64_t top : {-2, -1, 0, 3})
            for (int64_t left : {-2, 0, 1, 6}) check_input(name, kernel, blocks, height, width, top, left);
  }

  void operator()(const char* name, WinogradGemmFn kernel) {
    for (int64_t tiles = 0; tiles <= 14; ++tiles)
      for (int64_t channels : {1, 3, 16, 33}) check_gemm(name, kernel, tiles, channels);
  }

  void operator()(const char* name, WinogradOutputFn kernel) {
    for (int64_t blocks : {1, 2, 5})
      for (int64_t rows = 1; rows <= form_of(name).outputs; ++rows)
        for (int64_t columns = 1; columns <= form_of(name).outputs; ++columns)
          for (int parts = 0; parts < 8; ++parts) check_output(name, kernel, blocks, rows, columns, parts);
  }

  void operator()(const char* name, WinogradWeightFn kernel) {
    const int taps = form_of(name).taps();
    const Floats weights = random_.values(taps * taps * kSlab);
    const auto run = [&](const auto& call) {
      Floats u(kWinogradMatrices * 2 * kSlab);
      call(WinogradWeightArgs{weights.data(), u.data(), 2 * kSlab});
      return u;
    };
    report(name, close(run(kernel), run(form_of(name).weight_reference)), taps, kSlab);
  }

  // One tile of 16 channels in and 64 out, from windows to outputs.
  void check_identity(const KernelTable& table, int outputs, WinogradWeightFn transform,
                      WinogradOutputFn finish) {
    constexpr int64_t kChannels = 16;
    const auto side = static_cast<size_t>(outputs), taps = static_cast<size_t>(winograd_taps(outputs));
    const auto area = static_cast<int64_t>(taps * taps);
    const Floats x = random_.values(kWinogradMatrices * kChannels),
                 weights = random_.values(kChannels * area * kSlab);
    const Floats zeros(kSlab);
    Floats v(kWinogradMatrices * kChannels), u(kWinogradMatrices * kChannels * kSlab),
        m(kWinogradMatrices * kSlab);
    Floats y(side * side * kSlab), want(y.size());
    table.f32_winograd_input({x.data(), kIn, kIn, kIn * kChannels, kChannels, 0, 0, 1, v.data(), kChannels});
    for (int64_t k = 0; k < kChannels; ++k)
      transform({&weights[static_cast<size_t>(k * area * kSlab)], &u[static_cast<size_t>(k * kSlab)],
                 kChannels * kSlab});
    for (int64_t i = 0; i < kWinogradMatrices; ++i)
      table.f32_winograd_gemm_ukernel({1, kChannels, &v[static_cast<size_t>(i * kChannels)], kChannels,
                                       &u[static_cast<size_t>(i * kChannels * kSlab)],
                                       &m[static_cast<size_t>(i * kSlab)], kSlab, nullptr});
    ConvEpilogueArgs epilogue{};
    epilogue.y = y.data(), epilogue.y_stride = kSlab;
    finish({m.data(), kSlab, kSlab / 16, zeros.data(), outputs, outputs, outputs, &epilogue});
    for (size_t i = 0; i < want.size(); ++i) {
      const size_t o = i % kSlab, pixel = i / kSlab, row = pixel / side, column = pixel % side;
      double sum = 0.0;
      for (size_t tap = 0; tap < taps * taps; ++tap)
        for (size_t k = 0; k < kChannels; ++k)
          sum += static_cast<double>(x[((row + tap / taps) * kIn + column + tap % taps) * kChannels + k]) *
                 weights[(k * taps * taps + tap) * kSlab + o];
      want[i] = static_cast<float>(sum);
    }
    report("identity", close(y, want), outputs, kChannels, kSlab);
  }

  int checks() const { return checks_; }
  int failures() const { return failures_; }

 private:
  void report(const char* name, bool ok, int64_t a, int64_t b, int64_t c = 0, int64_t d = 0) {
    ++checks_;
    if (ok) return;
    ++failures_;
    std::printf("MISMATCH %s__%s for %ld %ld %ld %ld\n", name, isa_name(isa_), static_cast<long>(a),
                static_cast<long>(b), static_cast<long>(c), static_cast<long>(d));
  }

  void check_input(const char* name, WinogradInputFn kernel, int64_t blocks, int64_t height, int64_t width,
                   int64_t top, int64_t left) {
    const int64_t stride = blocks * 16 + 16, matrix_stride = blocks * 16 + 32;
    const Floats image = random_.values(height * width * stride);
    const auto run = [&](const auto& call) {
      Floats v(static_cast<size_t>(kWinogradMatrices * matrix_stride));
      call(WinogradInputArgs{image.data(), height, width, width * stride, stride, top, left, blocks, v.data(),
                             matrix_stride});
      return v;
    };
    report(name, close(run(kernel), run(reference::winograd_input)), height, width, top, left);
  }

  void check_gemm(const char* name, WinogradGemmFn kernel, int64_t tiles, int64_t channels) {
    const int64_t v_stride = channels + 5, m_stride = kSlab + 16;
    const Floats v = random_.values(tiles * v_stride + 64), u = random_.values(2 * channels * kSlab + 64);
    for (const bool prefetches : {false, true}) {
      const auto run = [&](const auto& call) {
        Floats m(static_cast<size_t>(tiles * m_stride));
        call(WinogradGemmArgs{tiles, channels, v.data(), v_stride, u.data(), m.data(), m_stride,
                              prefetches ? u.data() + channels * kSlab : nullptr});
        return m;
      };
      report(name, close(run(kernel), run(reference::winograd_gemm)), tiles, channels);
    }
  }

  // `parts`: bit 0 residual, bit 1 activation, bit 2 mask.
  void check_output(const char* name, WinogradOutputFn kernel, int64_t blocks, int64_t rows, int64_t columns,
                    int parts) {
    const int64_t outputs = form_of(name).outputs;
    const int64_t width = blocks * 16, matrix_stride = width + 16, row_pixels = outputs + 1;
    const int64_t pixels = outputs * row_pixels;
    const Floats m = random_.values(kWinogradMatrices * matrix_stride), bias = random_.values(width);
    const Floats residual = random_.values(pixels * width);
    Floats thresholds(static_cast<size_t>(width));  // far from every value: rounding cannot flip a comparison
    for (size_t c = 0; c < thresholds.size(); ++c) thresholds[c] = c % 3 == 0 ? 1e4f : -1e4f;
    const Floats before = random_.values(pixels * width);  // pixels outside rows x columns must keep it
    std::vector<uint16_t> masks[2];
    const auto run = [&](const auto& call, std::vector<uint16_t>& mask) {
      Floats y = before;
      mask.assign(static_cast<size_t>(pixels * blocks), 0xAAAA);
      ConvEpilogueArgs epilogue{};
      epilogue.residual = parts & 1 ? residual.data() : nullptr, epilogue.residual_stride = width;
      epilogue.thresholds = parts & 2 ? thresholds.data() : nullptr, epilogue.max_value = 2.5f;
      epilogue.y = y.data(), epilogue.y_stride = width;
      epilogue.mask = parts & 4 ? mask.data() : nullptr, epilogue.mask_stride = blocks;
      call(WinogradOutputArgs{m.data(), matrix_stride, blocks, bias.data(), rows, columns, row_pixels,
                              &epilogue});
      return y;
    };
    const bool same = close(run(kernel, masks[0]), run(form_of(name).output_reference, masks[1]));
    report(name, same && masks[0] == masks[1], blocks, rows, columns, parts);
  }

  Isa isa_;
  Random random_;
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
#include "kernels/list/winograd.inc"
#undef ZS_KERNEL
    if (!table.f32_winograd_input) return checker;
    checker.check_identity(table, 3, table.f32_winograd3_weights, table.f32_winograd3_output);
    checker.check_identity(table, 4, table.f32_winograd4_weights, table.f32_winograd4_output);
    return checker;
  });
  return failures ? 1 : 0;
}
