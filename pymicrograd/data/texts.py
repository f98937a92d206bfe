"""A text to learn from: first names, for networks that spell."""

from __future__ import annotations

__all__ = ["names"]

# Names that are common in countries with Latin letters, written without marks, a to z.
NAMES = """
aaron abel abigail adam adela adele adrian agatha agnes aidan aileen alan albert alberta aldo alec
alessia alex alexander alexandra alfred alice alicia alina alison alma alva amalia amanda amber
amelia amy ana andrea andreas andrew angela angelica anita anja anna annette annika anton antonia
ariana arlo arno arthur astrid aurelia aurora ava axel barbara bart basil beatrice becky bella ben
benedict benita benjamin berenice bernard berta beth bianca birgit bjorn blanca boris brenda brian
bridget bruno caleb camila camilla carina carl carla carlo carmen carol carolina caroline carsten
casper cassandra catalina catherine cecilia celeste celia celine charles charlie charlotte chiara
chloe chris christa christian christina christopher clara clarissa claude claudia clemens clement
colin connor conrad cora cordelia corinna cornelia cyril dagmar daisy damian daniel daniela daphne
daria dario david deborah delia denise dennis diana diego dina dominic dora dorian doris dorothea
dorothy edgar edith edmund edna eduardo edward eileen elaine elena eleonora eli elias elina elisa
elisabeth elise eliza ella ellen elliot elmar elsa elvira emil emilia emily emma enrico erica erik
ernest estelle esther eugene eva evan evelyn fabian fabio faith federico felicia felix fernando
fiona flora florence florian frances francesca francis frank franz freya frida gabriel gabriela
gemma george georgia gerald gerda gilbert gina giulia gloria grace greta gustav hanna hannes
harold harriet harry hazel heather hector heidi helen helena helga henrietta henry herbert hermine
hilda holly hugo ian ida ignatius ilse imogen ines inga ingrid irene iris irma isaac isabel
isabella isadora isla ivan ivy jacob jana jane janet janina jasmine jasper jenna jennifer jenny
jeremy jessica joan joanna joel johanna john jonas jonathan jordan josefine joseph joshua joy juan
judith julia julian juliana juliet julius june justin kai karen karin karina karl karla kaspar
katarina kate katharina katrin keira keith kevin kilian kim kirsten klara klaus konrad kristina
kurt lana lara larissa lars laura lauren laurence lea leander leila lena lennart leo leon leona
leonard leonora levi liam lidia lilian liliana lily lina linda linus lisa livia liz lola lorena
lorenz louis louisa lucas lucia lucian lucy ludwig luis luisa luna lydia mabel magda magdalena
malcolm manuel manuela mara marc marcel marcus margaret margot maria mariana marie marina mario
marion marisa marlene marta martha martin martina mary mateo mathilda matthew matthias maura
maurice max maxine maya megan melanie melina melissa mia michael michelle mila milan millie milo
mina mira miranda miriam mona monica morgan moritz nadia nadine nancy naomi natalia natalie nathan
nell nestor nicholas nicola nils nina noah noel nora norbert norma octavia odette olaf olga olive
oliver olivia ophelia oscar oswald otto owen pablo paloma pamela pascal patricia patrick paul
paula pauline pedro penelope petra philip phoebe pia pilar quentin rachel rafael ralph ramona raul
raymond rebecca regina renata rhea richard rita robert roberta robin roland roman romy rosa
rosalie rosalind rose roxana ruben rudolf rufus rupert ruth ryan sabina sabrina samantha samuel
sandra sara saskia sebastian selena selma serena sergio sheila sibyl sidney sienna sigrid silvia
simon simona sofia sonia sophie stefan stella stephen susan susanna svenja sylvia tabea tamara
tania tara terence teresa tessa thea theo theodora theresa thomas tiffany tilda tim timothy tina
tobias toni ulrich uma una ursula valentin valeria vanessa vera verena veronica victor victoria
vincent viola violet virginia vivian walter wanda wendy werner wilhelm wilma winifred xenia yara
yolanda yvonne zachary zelda zita zoe zora
"""


def names() -> list[str]:
    """Return some 550 first names of the letters a to z, in alphabetical order.

    Example:
        >>> names()[:3]
        ['aaron', 'abel', 'abigail']
    """
    return NAMES.split()
