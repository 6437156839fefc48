// One step of a recurrent layer behind its matrix products: from the sums of the gates to the new state.
#pragma once

#include <cstdint>

namespace zeroskip {

// Unit u < count of gate g is x[g * x_stride + u] + sums[g * sums_stride + u]: what the input says and what the state
// says. Gates lie in the order of ONNX: input, output, forget, cell of an LSTM; update, reset, hidden of a GRU.
// x, before, reset and y are read and written exactly, at any alignment; sums, cell and update hold `count` rounded up
// to 16, and what lies behind `count` there is read and written like the rest.
struct RecurrentCellArgs {
  int64_t count = 0;
  const float* x = nullptr;
  int64_t x_stride = 0;
  const float* sums = nullptr;
  int64_t sums_stride = 0;
  const float* before = nullptr;  // gru: the state so far; null is zero
  float* cell = nullptr;          // lstm: the cell state, replaced by the new one
  float* update = nullptr;        // gru_reset writes the update gate, gru_update reads it
  float* y = nullptr;             // the new state; of gru_reset the state so far times the reset gate
};

// lstm_cell; gru_cell, which resets what the state says of the hidden gate; gru_reset and gru_update, the two halves of
// a GRU that resets the state instead, gate `hidden` being the only one of the second; rnn_tanh, rnn_relu.
// NaN propagates, but through rnn_relu, which maps it to 0.
using RecurrentCellFn = void (*)(const RecurrentCellArgs&);

}  // namespace zeroskip
