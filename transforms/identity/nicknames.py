"""Given names that one person goes by: a line a name with its short and pet forms (English, some German, Spanish)."""

_NAMES = """
robert rob bob bobby robbie bert
william will bill billy willie willy liam
richard rick dick rich richie ricky
james jim jimmy jamie jem
john jack johnny jon jonny
michael mike mick mickey micky
thomas tom tommy thom
joseph joe joey jos
charles charlie chuck chas charley
christopher chris kit topher
daniel dan danny
matthew matt
anthony tony
andrew andy drew
edward ted ed eddie ned teddy eddy
steven stephen steve stevie
kenneth ken kenny
gregory greg
benjamin ben benny
samuel sam sammy
nicholas nick nicky
jonathan jon jonny
elizabeth liz beth betty eliza lizzie lisa bess betsy lizzy libby
margaret peggy maggie meg madge margie greta daisy
katherine catherine kate katie kathy cathy kitty kathryn kit
jennifer jenny jen
patricia pat patty tricia
susan sue susie suzy susanna susannah
deborah debbie deb
rebecca becky
barbara barb babs
jessica jess jessie
kimberly kim
victoria vicky vic tori
alexander alex sandy alec sasha al lex
alexandra alex sandra
frederick fred freddie freddy fredric
henry harry hal hank
george georgie
arthur art arty
albert al bert bertie
alfred alf fred alfie
david dave davy davey
peter pete
philip phil phillip pip
lawrence laurence larry laurie
leonard len leo lenny
timothy tim
walter walt wally
raymond ray
ronald ron ronnie
donald don donny
gerald gerry jerry
jeremy jerry jem
jeffrey geoffrey jeff geoff
douglas doug
stanley stan
patrick pat paddy rick
francis frank fran frankie
franklin frank
augustus gus
abraham abe
isaac ike
nathaniel nathan nat nate
zachary zach zack
joshua josh
jacob jake
theodore theo ted teddy
eugene gene
harold harry hal
herbert herb bert
hugh hughie
ernest ernie
edwin ed eddie
edmund ed eddie ned ted
vincent vince vinny
mary molly polly may mae
ann anne anna annie nancy nan hannah
sarah sally sadie
martha patty mattie
dorothy dot dolly dottie
eleanor nell ellie nora ellen
helen nell ellen nellie
florence flo flossie
frances fanny fran frankie
harriet hattie
caroline carrie lina
charlotte lottie charlie
emily em millie
amelia millie amy
isabella bella isabel isabelle belle
jane jenny janie janet
josephine jo josie
louisa louise lou
matilda tilly maud
mildred millie
pamela pam
penelope penny
rosemary rose rosie
theresa tess terry teresa
virginia ginny
wilhelmina mina minnie
abigail abby gail
samantha sam
stephanie steph
christina christine tina chris chrissy
cynthia cindy
johannes hannes johann
josef sepp
katharina kathi
elisabeth lisa elsa
francisco paco pancho
jose pepe
dolores lola
maximilian max
maxwell max
"""


def groups() -> dict[str, list[int]]:
    """The lines that each form stands on: two forms of a line may be one person's."""
    found: dict[str, list[int]] = {}
    for line, forms in enumerate(_NAMES.split("\n")):
        for form in forms.split():
            found.setdefault(form, []).append(line)
    return found
