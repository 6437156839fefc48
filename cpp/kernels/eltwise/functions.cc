// Elementwise functions of one operand that are no rectifier: exponentials, roots, GELU and its relatives.
#include <cmath>

#include "kernels/eltwise/pixel_loop.h"
#include "kernels/eltwise/vector_math.h"

namespace zeroskip::ZS_ISA {
namespace {

template <typename Function>
inline void map_pixels(const EltwiseArgs& args, const Function& function) {
  pixel_loop<false>(args,
                    [&](int64_t p, int64_t c) { return function(load(args.x + p * args.x_stride + c)); });
}

// What is too rare to be worth a polynomial: the C library's function, lane by lane.
template <typename Function>
inline void map_lanes(const EltwiseArgs& args, const Function& function) {
  map_pixels(args, [&](Vec x) {
    Vec y;
    for (int lane = 0; lane < kLanes; ++lane) y[lane] = function(x[lane]);
    return y;
  });
}

}  // namespace

void f32_exp(const EltwiseArgs& args) {
  map_pixels(args, [](Vec x) { return exp_to_the_ends(x); });
}

void f32_log(const EltwiseArgs& args) {
  map_lanes(args, [](float x) { return std::log(x); });
}

void f32_sqrt(const EltwiseArgs& args) {
  map_lanes(args, [](float x) { return std::sqrt(x); });
}

void f32_abs(const EltwiseArgs& args) {
  map_pixels(args, [](Vec x) { return absolute(x); });
}

void f32_reciprocal(const EltwiseArgs& args) {
  map_pixels(args, [](Vec x) { return broadcast(1.0f) / x; });
}

void f32_erf(const EltwiseArgs& args) {
  map_pixels(args, [](Vec x) { return erf(x); });
}

void f32_gelu(const EltwiseArgs& args) {
  map_pixels(args,
             [](Vec x) { return broadcast(0.5f) * x * (broadcast(1.0f) + erf(x * broadcast(0.70710678f))); });
}

void f32_gelu_tanh(const EltwiseArgs& args) {
  map_pixels(args, [](Vec x) {
    const Vec cubic = x + broadcast(0.044715f) * x * x * x;
    return broadcast(0.5f) * x * (broadcast(1.0f) + tanh(cubic * broadcast(0.79788456f)));
  });
}

void f32_softplus(const EltwiseArgs& args) {
  map_lanes(args, [](float x) { return x > 0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x)); });
}

void f32_softsign(const EltwiseArgs& args) {
  map_pixels(args, [](Vec x) { return x / (broadcast(1.0f) + absolute(x)); });
}

void f32_elu(const EltwiseArgs& args) {
  const float alpha = args.alpha, beta = args.beta;
  map_lanes(args, [&](float x) { return beta * (x > 0 ? x : alpha * std::expm1(x)); });
}

void f32_celu(const EltwiseArgs& args) {
  const float alpha = args.alpha;
  map_lanes(args, [&](float x) { return x > 0 ? x : alpha * std::expm1(x / alpha); });
}

void f32_mish(const EltwiseArgs& args) {
  map_lanes(args, [](float x) {
    const float soft = x > 0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x));
    return x * std::tanh(soft);
  });
}

void f32_floor(const EltwiseArgs& args) {
  map_lanes(args, [](float x) { return std::floor(x); });
}

void f32_ceil(const EltwiseArgs& args) {
  map_lanes(args, [](float x) { return std::ceil(x); });
}

void f32_round(const EltwiseArgs& args) {
  map_lanes(args, [](float x) { return std::nearbyint(x); });  // ties to even
}

void f32_sign(const EltwiseArgs& args) {
  map_lanes(args, [](float x) { return x > 0 ? 1.0f : x < 0 ? -1.0f : x; });
}

void f32_sin(const EltwiseArgs& args) {
  map_lanes(args, [](float x) { return std::sin(x); });
}

void f32_cos(const EltwiseArgs& args) {
  map_lanes(args, [](float x) { return std::cos(x); });
}

void f32_prelu(const EltwiseArgs& args) {
  pixel_loop<true>(args, [&](int64_t p, int64_t c) {
    const Vec x = load(args.x + p * args.x_stride + c);
    return x > Vec{} ? x : x * load(args.scale + c);
  });
}

}  // namespace zeroskip::ZS_ISA
