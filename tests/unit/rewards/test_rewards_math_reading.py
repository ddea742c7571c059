"""From the text of an answer to its tree: tokens, their arrangement, terminals, the grammar, and the bounds of each."""

from collections.abc import Callable
from typing import Any

import pytest

from r1kit.rewards.math.reading.choice import is_choice, read_choice
from r1kit.rewards.math.reading.fold import MAX_NESTING, fold
from r1kit.rewards.math.reading.layout import arrange
from r1kit.rewards.math.reading.normalise import MAX_CHARS, normalise
from r1kit.rewards.math.reading.numerals import MAX_EXPONENT, read_plain
from r1kit.rewards.math.reading.parse import parse_answer, parse_gold_and_answer
from r1kit.rewards.math.reading.signs import MAX_DEPTH, MAX_ITEMS, MAX_NESTED_ANSWERS
from r1kit.rewards.math.reading.tokens import MAX_DIGITS, MAX_TOKENS, same_text, tokenize
from r1kit.rewards.math.tree import (
    Answer,
    AnswerError,
    Based,
    Binder,
    Choice,
    Const,
    Interval,
    Items,
    Labelled,
    Matrix,
    NamedSet,
    Node,
    Num,
    Op,
    Ratio,
    Relation,
    Residue,
    Scalar,
    SetBuilder,
    SetOperation,
    Time,
    Var,
    Words,
)
from r1kit.rewards.math.values.evaluate import evaluate_exactly


def line(*parts: Any) -> str:
    return " ".join(part if isinstance(part, str) else shown(part) for part in parts)


def chain(relation: Relation) -> str:
    rest = [part for pair in zip(relation.operators, relation.sides[1:], strict=True) for part in pair]
    return line(relation.sides[0], *rest)


def operation(part: Op | SetOperation | Binder, *args: Any) -> str:
    return f"({line(part.name, *args)})"


def quantity(part: Scalar) -> str:
    unit = part.unit
    return (
        shown(part.node)
        if unit is None
        else line(part.node, *(f"{n}^{p}" for n, p in unit.powers), f"x{unit.scale}")
    )


SHOWN: dict[type, Callable[[Any], str]] = {
    Num: lambda part: str(part.value),
    Based: lambda part: f"{part.digits}_{part.base}",
    Const: lambda part: part.name,
    Var: lambda part: part.name,
    NamedSet: lambda part: part.name,
    Op: lambda part: operation(part, *part.args),
    SetOperation: lambda part: operation(part, *part.parts),
    Binder: lambda part: operation(part, part.variable, *part.bounds, part.body),
    Scalar: quantity,
    Labelled: lambda part: f"{part.label}: {shown(part.value)}",
    Relation: chain,
    Items: lambda part: (
        part.brackets[:1] + f" {part.joiner} ".join(map(shown, part.items)) + part.brackets[1:]
    ),
    Interval: lambda part: (
        f"{'(['[part.low_closed]}{shown(part.low)} .. {shown(part.high)}{')]'[part.high_closed]}"
    ),
    SetBuilder: lambda part: f"{{{part.variable} | {shown(part.condition)}}}",
    Matrix: lambda part: "matrix " + "; ".join(line(*row) for row in part.rows),
    Ratio: lambda part: " : ".join(map(shown, part.parts)),
    Residue: lambda part: f"{shown(part.value)} mod {shown(part.modulus)}",
    Time: lambda part: f"{part.hours}h{part.minutes}m{part.seconds}s{part.meridiem}",
    Words: lambda part: line("words", *part.words),
}


def shown(part: Answer | Node) -> str:
    """A tree in one line: 1/2, x, (add 1 x), {1 , 2}, [0 .. 1), 5 m^1 x1/100."""
    return SHOWN[type(part)](part)


TOKENS = [
    ("1+2x", "number:1 symbol:+ number:2 letter:x"), ("12.50", "number:12.50"), ("xyz", "word:xyz"), ("Tom", "word:Tom"), (r"\alpha\beta", "letter:alpha letter:beta"),
    ("1,234,567", "number:1234567"), (r"1\,234", "number:1234"), ("1{,}234", "number:1234"), (r"1,\!234", "number:1234"), ("1 234 567.5", "number:1234567.5"),
    ("1 23", "number:1 number:23"), ("1,23", "number:1 symbol:, number:23"), ("(1,234)", "symbol:( number:1 symbol:, number:234 symbol:)"), ("3.5e-3", "number:3.5e-3"),
    ("1011_2", "based:1011_2"), ("2F_{16}", "based:2F_16"), ("0xFF", "based:0xFF"), ("x_1", "letter:x symbol:_ number:1"), (r"\$5", "currency:$ number:5"), (r"5\%", "number:5 symbol:%"),
    (r"\dfrac 12", "command:frac number:12"), (r"\text{square cm}", "text:square text:cm"), (r"\text{2 p.m.}", "number:2 text:pm"), (r"\mathbb{R}", "command:set R"),
    (r"x\leq3", "letter:x symbol:<= number:3"), ("x ≤ 3", "letter:x symbol:<= number:3"), ("x**2", "letter:x symbol:^ number:2"), (r"x\cdot y", "letter:x symbol:* letter:y"),
    ("x×y", "letter:x symbol:* letter:y"), ("x²", "letter:x symbol:^ number:2"), ("x₁₂", "letter:x symbol:_ symbol:{ number:12 symbol:}"),
    ("½", "command:frac symbol:{ number:1 symbol:} symbol:{ number:2 symbol:}"), ("−3", "symbol:- number:3"), ("５", "number:5"), ("٥", "number:5"), ("\u200b5\ufeff", "number:5"),
    (r"\left(5\right)", "symbol:( number:5 symbol:)"), (r"\bigl(5\bigr)", "symbol:( number:5 symbol:)"), ("{{5}}", "number:5"), ("2^{{3}}", "number:2 symbol:^ symbol:{ number:3 symbol:}"),
    ("$5$", "number:5"), ("$$5$$", "number:5"), (r"\(5\)", "number:5"), (r"\[5\]", "number:5"), ("**5**", "number:5"), ("`5`", "number:5"), ("5.", "number:5"), (" 5 ", "number:5"),
    (r"\displaystyle5", "number:5"), (r"\quad5\,", "number:5"), (r"\hspace{2cm}5", "number:5"), ("a;b", "letter:a symbol:, letter:b"), (r"1\\[2pt]2", r"number:1 symbol:\\ number:2"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), TOKENS)
def test_a_text_is_read_as_these_tokens(text: str, expected: str) -> None:
    assert " ".join(f"{token.kind.name.lower()}:{token.text}" for token in tokenize(text)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "$$",
        "{}",
        "\u200b",
        "5\x00",
        "\ud8005",
        "\u202e5",
        "5\x7f",
        "🎉",
        "\ue000",
        "5 # 6",
        "5 @ 6",
        '"5"',
        "~",
    ],
)
def test_a_text_outside_the_vocabulary_is_refused(text: str) -> None:
    with pytest.raises(AnswerError):
        tokenize(text)


def test_spaces_wrappers_and_marks_without_width_are_gone_after_normalising() -> None:
    assert normalise("  $\\left( 5\u200b,\u00a06 \\right)$. ") == "( 5, 6 )"
    assert normalise("**5 USD**").split() == ["5", r"\dollar"]


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (r"\dfrac{1}{2}", r"\frac{1}{2}"),
        ("{5}", "$5$"),
        (r"x \le 3", "x<=3"),
        (r"2\times3", "2*3"),
    ],
)
def test_spelling_variants_have_the_same_tokens(one: str, two: str) -> None:
    assert same_text(tokenize(one), tokenize(two))


@pytest.mark.parametrize(
    ("one", "two"),
    [("x", "X"), ("12", "1,2"), ("(1)", "[1]"), ("ab", "a+b"), (r"\text{yes}", r"\text{yes no}")],
)
def test_other_answers_have_other_tokens(one: str, two: str) -> None:
    assert not same_text(tokenize(one), tokenize(two))


ARRANGED = [
    (r"\frac12", "frac { 1 } { 2 }"), (r"\frac123", "frac { 1 } { 2 } 3"), (r"\frac ab", "frac { a } { b }"), (r"\frac\frac123", "frac { frac { 1 } { 2 } } { 3 }"),
    (r"\frac1\sqrt2", "frac { 1 } { sqrt { 2 } }"), (r"{a \over b}", "frac { a } { b }"), (r"1+{a\over b}", "1 + { frac { a } { b } }"), (r"{n\choose k}", "binom { n } { k }"),
    ("|x|", "abs open x abs close"), ("||x|-1|", "abs open abs open x abs close - 1 abs close"), ("|x||y|", "abs open x abs close abs open y abs close"),
    (r"\log_28", "log _ 2 8"), (r"\frac{\text{m}}{\text{s}}", "m / s"), (r"\int xdx", "int x differential x"), (r"\int_0^1 \frac{dx}{x}", "int _ 0 ^ 1 frac { 1 } { x } differential x"),
    (r"\frac{d}{dx}x", "derivative x x"), (r"\{x|x>0\}", r"\{ x mid x > 0 \}"), (r"\{x:x>0\}", r"\{ x mid x > 0 \}"), ("<1,2>", "langle 1 , 2 rangle"),
    (r"x<1\cup x>2", "x < 1 or x > 2"), (r"(0,1)\cup(2,3)", "( 0 , 1 ) cup ( 2 , 3 )"), ("C(7,3)", "binom { 7 } { 3 }"), ("7C3", "binom { 7 } { 3 }"), ("2{}x", "2 x"),
    (r"\left(\begin{array}{cc}1&2\end{array}\right)", "begin{array} 1 & 2 end{array}"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), ARRANGED)
def test_what_tex_reads_in_its_own_order_is_put_in_ours(text: str, expected: str) -> None:
    assert " ".join(token.text for token in arrange(tokenize(text))) == expected


TERMINALS = [
    ("2x", "NUMBER VAR"), ("xy", "VAR VAR"), ("x_1", "VAR"), ("e^x", "CONST CARET VAR"), (r"3\frac12", "MIXED"), ("3 1/2", "MIXED"), ("1/2", "NUMBER DIVIDE NUMBER"),
    (r"5\text{ cm}", "NUMBER UNIT"), ("5 cm", "NUMBER UNIT"), ("5m", "NUMBER VAR"), (r"\$5", "CURRENCY NUMBER"), (r"5\$", "NUMBER UNIT"), ("2:30", "TIME"), ("2:30:15", "TIME"),
    ("2 pm", "TIME"), ("25:30", "NUMBER COLON NUMBER"), ("2:3", "NUMBER COLON NUMBER"), ("3 to 2", "NUMBER COLON NUMBER"), (r"45^\circ", "NUMBER DEGREE"), ("50 percent", "NUMBER PERCENT"),
    ("sin x", "FUNC VAR"), ("log_2 x", "LOG UNDER NUMBER VAR"), ("pi", "CONST"), ("infinity", "CONST"), (r"1\text{ and }2", "NUMBER AND NUMBER"), ("1 or 2", "NUMBER OR NUMBER"),
    ("x in [0,1]", "VAR IN LSQB NUMBER COMMA NUMBER RSQB"), ("f(x)=2", "LABEL NUMBER"), (r"\text{Area}=12", "LABEL NUMBER"), ("x=2", "VAR REL NUMBER"), ("AB=2", "LABEL NUMBER"),
    (r"\text{even}", "WORDS"), ("Tom", "WORDS"), ("3 million", "NUMBER"), ("all real numbers", "NAMEDSET"), ("no solution", "EMPTYSET"), (r"x\to0^+", "VAR TO NUMBER SIDE"),
    (r"\mathbb{R}-\{0\}", "NAMEDSET SETMINUS LBRACE NUMBER RBRACE"), ("sqrt(2)", "SQRT LPAR NUMBER RPAR"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), TERMINALS)
def test_what_a_token_means_is_settled_by_its_neighbours(text: str, expected: str) -> None:
    assert " ".join(terminal.type for terminal in fold(tokenize(text))) == expected


TREES = [
    ("1+2*3", "(add 1 (mul 2 3))"), ("(1+2)*3", "(mul (add 1 2) 3)"), ("1-2-3", "(add 1 -2 -3)"), ("1/2/3", "(div (div 1 2) 3)"),
    ("2*3/4", "(div (mul 2 3) 4)"), ("1/2x", "(mul (div 1 2) x)"), ("-2^2", "(neg (pow 2 2))"), ("(-2)^2", "(pow -2 2)"),
    ("2^3^2", "(pow 2 (pow 3 2))"), ("2^{-x}", "(pow 2 (neg x))"), ("-x^2", "(neg (pow x 2))"), ("a-b+c", "(add a (neg b) c)"), ("--x", "x"),
    ("+5", "5"), ("2x", "(mul 2 x)"), ("2xy", "(mul 2 x y)"), ("xy^2", "(mul x (pow y 2))"), ("2(x+1)", "(mul 2 (add x 1))"),
    ("(x+1)(x-1)", "(mul (add x 1) (add x -1))"), ("x(y+1)", "(mul x (add y 1))"), (r"2\pi r", "(mul 2 pi r)"),
    (r"3\sqrt{2}", "(mul 3 (root 2 2))"), (r"\sqrt2x", "(mul (root 2 2) x)"), (r"\sqrt[3]{x}", "(root x 3)"), (r"\frac12", "(div 1 2)"),
    (r"\frac12x", "(mul (div 1 2) x)"), (r"\frac{1}{2}x^2", "(mul (div 1 2) (pow x 2))"), (r"\frac34\pi", "(mul (div 3 4) pi)"),
    (r"3\frac12", "7/2"), ("3 1/2", "7/2"), (r"-3\frac{1}{2}", "-7/2"), (r"3\frac{3}{2}", "(mul 3 (div 3 2))"), ("1.5e-3", "3/2000"),
    ("1,234,567", "1234567"), ("1{,}234", "1234"), (r"0.\overline{3}", "1/3"), ("0.1(6)", "1/6"), (".5", "1/2"), ("007", "7"), ("1 234", "1234"),
    ("5!", "(factorial 5)"), ("-5!", "(neg (factorial 5))"), ("(2n)!", "(factorial (mul 2 n))"), (r"50\%", "(percent 50)"),
    (r"45^\circ", "(degree 45)"), ("|x|", "(abs x)"), ("|x|+|y|", "(add (abs x) (abs y))"), ("|x||y|", "(mul (abs x) (abs y))"),
    ("2|x-1|", "(mul 2 (abs (add x -1)))"), (r"\lfloor x\rfloor", "(floor x)"), (r"\lceil 2.5\rceil", "(ceil 5/2)"), (r"\sin x", "(sin x)"),
    (r"\sin 2x", "(sin (mul 2 x))"), (r"\sin x\cos y", "(mul (sin x) (cos y))"), (r"\sin^2 x", "(pow (sin x) 2)"), (r"\sin^{-1}x", "(arcsin x)"),
    (r"\sin(x)+1", "(add (sin x) 1)"), (r"\sin x^2", "(sin (pow x 2))"), (r"\sin\frac{\pi}{3}", "(sin (div pi 3))"),
    (r"\ln 2x", "(ln (mul 2 x))"), (r"\ln x + 1", "(add (ln x) 1)"), (r"\log x", "(log x)"), (r"\log_2 8", "(log 8 2)"),
    (r"\log_{10}(x+1)", "(log (add x 1) 10)"), (r"\lg x", "(log x 10)"), (r"e^{i\pi}", "(pow e (mul i pi))"), ("e^x", "(pow e x)"),
    (r"\binom{5}{2}", "(binom 5 2)"), (r"{n \choose k}", "(binom n k)"), ("C(5,2)", "(binom 5 2)"), ("_5C_2", "(binom 5 2)"),
    ("P(5,2)", "(perm 5 2)"), (r"\gcd(4,6)", "(gcd 4 6)"), (r"\max(1,2,3)", "(max 1 2 3)"), (r"7 \bmod 3", "(mod 7 3)"),
    (r"\overline{3+4i}", "(conj (add 3 (mul 4 i)))"), (r"\sum_{k=1}^{n}k^2", "(sum k 1 n (pow k 2))"), (r"\prod_{k=1}^5 k", "(prod k 1 5 k)"),
    (r"\int_0^1 x^2\,dx", "(int x 0 1 (pow x 2))"), (r"\int x dx", "(int x x)"), (r"\int_0^1 \frac{dx}{x}", "(int x 0 1 (div 1 x))"),
    (r"\lim_{x\to0^+}\frac{1}{x}", "(lim+ x 0 (div 1 x))"), (r"\lim_{n\to\infty}n", "(lim n inf n)"), (r"\frac{d}{dx}x^2", "(diff x (pow x 2))"),
    ("1011_2", "1011_2"), ("2F_{16}", "2F_16"), ("0x1F", "1F_16"), ("x_1", "x_1"), ("x_{12}", "x_12"), ("a_n", "a_n"), (r"\alpha", "alpha"),
    ("X", "X"), ("x=3", "x: 3"), ("x = y+1", "x: (add y 1)"), ("y=2x+1", "y: (add (mul 2 x) 1)"), ("f(x)=x^2", "f(x): (pow x 2)"),
    ("AB=5", "AB: 5"), (r"\text{Area}=12", "Area: 12"), (r"P(A)=\frac12", "P(A): (div 1 2)"), ("(x,y)=(1,2)", "(x: 1 , y: 2)"),
    ("x=1,y=2", "x: 1 , y: 2"), (r"x=1\text{ or }x=2", "x: 1 or x: 2"), ("1,2,3", "1 , 2 , 3"), (r"1\text{ and }2", "1 and 2"), ("1;2", "1 , 2"),
    (r"\{1,2\}", "{1 , 2}"), (r"\{\}", "{}"), (r"\emptyset", "{}"), ("(1,2)", "(1 , 2)"), ("[1,2]", "[1 , 2]"), ("(1,2]", "(1 .. 2]"),
    (r"[0,\infty)", "[0 .. inf)"), (r"(-\infty,0)\cup(0,\infty)", "(union ((neg inf) , 0) (0 , inf))"), (r"\langle1,2\rangle", "<1 , 2>"),
    ("((1,2),(3,4))", "((1 , 2) , (3 , 4))"), ("x<3", "x < 3"), (r"0<x\le3", "0 < x <= 3"), (r"x\ne1", "x != 1"), (r"x\ge3", "x >= 3"),
    ("x^2+y^2=4", "(add (pow x 2) (pow y 2)) = 4"), (r"x\in[0,1]", "[0 , 1]"), (r"x\in\mathbb{R}", "R"),
    (r"\mathbb{R}\setminus\{0\}", "(difference R {0})"), (r"\mathbb R-\{0\}", "(difference R {0})"), (r"\{x\mid x>3\}", "{x | x > 3}"),
    (r"\{x\in\mathbb{R}: x>3\}", "{x | x > 3}"), (r"\{n\in\mathbb{Z}\mid n>0\}", "(intersection Z {n | n > 0})"),
    (r"[0,2]\cap[1,3]", "(intersection [0 , 2] [1 , 3])"), (r"x<1\cup x>2", "x < 1 or x > 2"), (r"\pm3", "3 , (neg 3)"),
    (r"1\pm\sqrt2", "(add 1 (root 2 2)) , (add 1 (neg (root 2 2)))"), (r"(\pm1,\mp2)", "(1 , (neg 2)) , ((neg 1) , 2)"), ("3:2", "3 : 2"),
    ("1:2:3", "1 : 2 : 3"), (r"3\text{ to }2", "3 : 2"), ("2:30", "2h30m0s"), ("2:30 pm", "2h30m0spm"), ("14:05:09", "14h5m9s"),
    (r"2\text{ p.m.}", "2h0m0spm"), (r"5\text{ cm}", "5 m^1 x1/100"), ("5 cm^2", "5 m^2 x1/10000"), (r"60\text{ km/h}", "60 m^1 s^-1 x5/18"),
    (r"\$5", "5 dollar^1 x1"), (r"-\$5", "-5 dollar^1 x1"), ("$12.50", "25/2 dollar^1 x1"),
    (r"5\text{ feet }3\text{ inches}", "(add (mul 5 12) (mul 3 1)) m^1 x127/5000"),
    (r"2\text{ hours and }30\text{ minutes}", "(add (mul 2 60) (mul 30 1)) s^1 x60"), (r"12\text{ apples}", "12 apple^1 x1"),
    (r"3\text{ million}", "3000000"), (r"x\equiv3\pmod7", "3 mod 7"), (r"3 \pmod{7}", "3 mod 7"),
    (r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", "matrix 1 2; 3 4"), (r"2\begin{pmatrix}1\\2\end{pmatrix}", "matrix (mul 2 1); (mul 2 2)"),
    (r"-\begin{bmatrix}1\\2\end{bmatrix}", "matrix (mul -1 1); (mul -1 2)"), (r"\begin{cases}x=1\\y=2\end{cases}", "x: 1 and y: 2"),
    (r"\text{even}", "words even"), ("the cone", "words cone"), (r"\text{no solution}", "{}"), (r"\text{all real numbers}", "R"),
    (r"\infty", "inf"), (r"-\infty", "(neg inf)"), (r"\text{(B)}", "B"), ("B", "B"), ("x≤3", "x <= 3"), ("√2", "(root 2 2)"),
    ("x²", "(pow x 2)"), ("½", "(div 1 2)"), ("2π", "(mul 2 pi)"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), TREES)
def test_an_answer_is_read_as_this_tree(text: str, expected: str) -> None:
    assert shown(parse_answer(text)) == expected


REFUSED = [
    "2+", "*2", "(2", "2)", "(2]", "[2)", "1 2", "x2", "2^", "^2", "5!!", "1,,2", "1,", r"\frac{1}", r"\frac{1}{}", r"\sqrt{}", "|x", r"\sin", r"\foo{5}", "5?", "x=", "<3",
    r"\text{about }5", r"5\text{ dozen}", r"\begin{pmatrix}1&2\\3\end{pmatrix}", r"\begin{pmatrix}1", r"\begin{foo}1\end{foo}", "102_2", "11_1", "5_{99}", "(1,2,3]", "2x3",
    r"\sin^{-1}", r"\ln^{-1}x", r"{5", "x_{1", "5 cm 3 m", "__import__('os')", "().x", "{0.x}",
]  # fmt: skip


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_not_in_the_grammar_is_refused(text: str) -> None:
    with pytest.raises(AnswerError):
        parse_answer(text)


BOUNDS = [
    (lambda n: "1" * n, MAX_DIGITS), (lambda n: " " * (n - 1) + "x", MAX_CHARS), (lambda n: "+".join(["x"] * ((n + 1) // 2)), MAX_TOKENS), (lambda n: "(1+" * n + "x" + ")" * n, MAX_NESTING),
    (lambda n: r"\{" + ",".join(["1"] * n) + r"\}", MAX_ITEMS), (lambda n: "(1," * n + "1" + ")" * n, MAX_NESTED_ANSWERS), (lambda n: f"1e{n}", MAX_EXPONENT), (lambda n: f"1e-{n}", MAX_EXPONENT),
    (lambda n: "x^" * n + "x", MAX_DEPTH - 1),
]  # fmt: skip


@pytest.mark.parametrize(("text", "most"), BOUNDS)
def test_a_size_is_allowed_up_to_its_bound_and_refused_soon_above(text, most: int) -> None:
    parse_answer(text(most))
    with pytest.raises(AnswerError):
        parse_answer(text(most + 2))


PLAIN = [
    ("5", "5"),
    ("-5", "-5"),
    ("2.50", "5/2"),
    ("-1/2", "-1/2"),
    (r"\frac{3}{6}", "1/2"),
    (r"-\dfrac{1}{2}", "-1/2"),
    ("007", "7"),
]


@pytest.mark.parametrize(("text", "value"), PLAIN)
def test_the_plainest_answers_have_their_value_without_tokens(text: str, value: str) -> None:
    assert str(read_plain(text)) == value
    answer = parse_answer(text)
    assert isinstance(answer, Scalar)
    assert evaluate_exactly(answer.node) == read_plain(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1/0",
        "5 ",
        "+5",
        "1e3",
        ".5",
        "5.",
        "1" * 19,
        "٥",
        "x",
        "1/-2",
        "--5",
        "1/2/3",
        "\\frac{1}{0}",
    ],
)
def test_what_is_not_of_the_plainest_is_left_to_the_tokens(text: str) -> None:
    assert read_plain(text) is None


@pytest.mark.parametrize("gold", ["C", "(C)", r"\text{C}", r"\textbf{(C)}", "C) 12", r"\text{(C) } 12"])
@pytest.mark.parametrize(
    "answer", ["C", "(C)", "C.", r"\text{C}", "C) 12", "(C) 12", r"\text{option C}", r"\mathrm{(C)}"]
)
def test_a_choice_is_the_same_letter_in_every_dress(gold: str, answer: str) -> None:
    one, two = parse_gold_and_answer(tokenize(gold), tokenize(answer))
    assert (one, two) == (Choice("C"), Choice("C"))


@pytest.mark.parametrize("text", ["AC", "x", "c", "K", "12", "(A, B)", "A+B", r"\text{Cat}"])
def test_what_is_no_single_letter_from_a_to_j_is_no_choice(text: str) -> None:
    assert not is_choice(tokenize(text))
    assert read_choice(tokenize(text)) is None
