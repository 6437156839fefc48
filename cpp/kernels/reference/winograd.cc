#include "kernels/reference/winograd.h"

#include <algorithm>
#include <array>
#include <vector>

#include "kernels/spconv/spconv.h"

namespace zeroskip::reference {
namespace {

constexpr int kIn = kWinogradInput;
constexpr double kPoints[kIn - 1] = {0.0, 0.75, -0.75, 1.5, -1.5};  // and infinity

template <size_t kRows, size_t kColumns>
using Matrix = std::array<std::array<double, kColumns>, kRows>;

// A': powers of the points; the highest alone at infinity.
template <int kOut>
Matrix<kOut, kIn> output_matrix() {
  Matrix<kOut, kIn> a{};
  for (int p = 0; p < kIn - 1; ++p) {
    double power = 1.0;
    for (int row = 0; row < kOut; ++row, power *= kPoints[p]) a[row][p] = power;
  }
  a[kOut - 1][kIn - 1] = 1.0;
  return a;
}

// Product over the finite points q but `left_out` of (x - q): coefficients, the lowest power first.
std::array<double, kIn> product_of_roots(int left_out) {
  std::array<double, kIn> c{1.0};
  for (int q = 0; q < kIn - 1; ++q) {
    if (q == left_out) continue;
    for (int power = kIn - 1; power >= 0; --power)
      c[power] = (power ? c[power - 1] : 0.0) - kPoints[q] * c[power];
  }
  return c;
}

Matrix<kIn, kIn> input_matrix() {
  Matrix<kIn, kIn> b;
  for (int p = 0; p < kIn; ++p) b[p] = product_of_roots(p);  // at infinity none is left out
  return b;
}

template <int kTaps>
Matrix<kIn, kTaps> weight_matrix() {
  Matrix<kIn, kTaps> g{};
  for (int p = 0; p < kIn - 1; ++p) {
    double scale = 1.0;
    for (int q = 0; q < kIn - 1; ++q)
      if (q != p) scale *= kPoints[p] - kPoints[q];
    for (int power = 0; power < kTaps; ++power)
      g[p][power] = (power == 0 ? 1.0 : g[p][power - 1] * kPoints[p]);
    for (double& value : g[p]) value /= scale;
  }
  g[kIn - 1][kTaps - 1] = 1.0;
  return g;
}

// left * middle * transposed left.
template <size_t kRows, size_t kColumns>
Matrix<kRows, kRows> both_sides(const Matrix<kRows, kColumns>& left,
                                const Matrix<kColumns, kColumns>& middle) {
  Matrix<kRows, kRows> result{};
  for (size_t i = 0; i < kRows; ++i)
    for (size_t j = 0; j < kRows; ++j)
      for (size_t k = 0; k < kColumns; ++k)
        for (size_t l = 0; l < kColumns; ++l) result[i][j] += left[i][k] * middle[k][l] * left[j][l];
  return result;
}

}  // namespace

void winograd_input(const WinogradInputArgs& args) {
  for (int64_t channel = 0; channel < args.blocks * 16; ++channel) {
    Matrix<kIn, kIn> d{};
    for (int row = 0; row < kIn; ++row)
      for (int column = 0; column < kIn; ++column) {
        const int64_t y = args.top + row, x = args.left + column;
        if (y >= 0 && y < args.height && x >= 0 && x < args.width)
          d[row][column] = args.image[y * args.row_stride + x * args.pixel_stride + channel];
      }
    const Matrix<kIn, kIn> v = both_sides(input_matrix(), d);
    for (int i = 0; i < kWinogradMatrices; ++i)
      args.v[i * args.matrix_stride + channel] = static_cast<float>(v[i / kIn][i % kIn]);
  }
}

void winograd_gemm(const WinogradGemmArgs& args) {
  for (int64_t tile = 0; tile < args.tiles; ++tile)
    for (int64_t o = 0; o < kSlab; ++o) {
      double sum = 0.0;
      for (int64_t k = 0; k < args.channels; ++k)
        sum += static_cast<double>(args.v[tile * args.v_stride + k]) * args.u[k * kSlab + o];
      args.m[tile * args.m_stride + o] = static_cast<float>(sum);
    }
}

template <int kOut>
void winograd_output(const WinogradOutputArgs& args) {
  const ConvEpilogueArgs& epilogue = *args.epilogue;
  for (int64_t channel = 0; channel < args.blocks * 16; ++channel) {
    Matrix<kIn, kIn> m;
    for (int i = 0; i < kWinogradMatrices; ++i)
      m[i / kIn][i % kIn] = args.m[i * args.matrix_stride + channel];
    const Matrix<kOut, kOut> sums = both_sides(output_matrix<kOut>(), m);
    for (int64_t row = 0; row < args.rows; ++row)
      for (int64_t column = 0; column < args.columns; ++column) {
        const int64_t pixel = row * args.row_pixels + column;
        float y = static_cast<float>(sums[row][column] + args.bias[channel]);
        if (epilogue.residual) y += epilogue.residual[pixel * epilogue.residual_stride + channel];
        if (epilogue.thresholds)
          y = y > epilogue.thresholds[channel] ? std::min(y, epilogue.max_value) : 0.0f;
        epilogue.y[pixel * epilogue.y_stride + channel] = y;
        if (!epilogue.mask) continue;
        uint16_t& word = epilogue.mask[pixel * epilogue.mask_stride + channel / 16];
        const auto bit = static_cast<uint16_t>(1 << channel % 16);
        word = static_cast<uint16_t>(y != 0.0f ? word | bit : word & ~bit);
      }
  }
}

template <int kTaps>
void winograd_weights(const WinogradWeightArgs& args) {
  for (int64_t o = 0; o < kSlab; ++o) {
    Matrix<kTaps, kTaps> g;
    for (int tap = 0; tap < kTaps * kTaps; ++tap) g[tap / kTaps][tap % kTaps] = args.weights[tap * kSlab + o];
    const Matrix<kIn, kIn> u = both_sides(weight_matrix<kTaps>(), g);
    for (int i = 0; i < kWinogradMatrices; ++i)
      args.u[i * args.matrix_stride + o] = static_cast<float>(u[i / kIn][i % kIn]);
  }
}

template void winograd_output<3>(const WinogradOutputArgs&);
template void winograd_output<4>(const WinogradOutputArgs&);
template void winograd_weights<3>(const WinogradWeightArgs&);
template void winograd_weights<4>(const WinogradWeightArgs&);

}  // namespace zeroskip::reference
